/*
 * Paths as texts: nothing here looks at files.
 */
#ifndef LXE_BASE_PATH_H
#define LXE_BASE_PATH_H

/* Of "//a/./b//../c/" make "/a/c", in place; of what leads nowhere, "/". It begins with '/'. */
void lxe_path_normalize(char *path);

#endif
