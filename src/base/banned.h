/*
 * Calls that cannot be used safely, turned into compile errors. Included through the command line
 * of every compilation, after the system's headers have been read.
 */
#ifndef LXE_BASE_BANNED_H
#define LXE_BASE_BANNED_H

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

/* Macros in some builds of the C library. */
#undef alloca
#undef sprintf
#undef vsprintf

#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf atoi atol atoll strtol strtoul
#pragma GCC poison strtoll strtoull strtok system popen alloca gets asctime ctime
#pragma GCC poison scanf fscanf sscanf vscanf vfscanf vsscanf

#endif
