/* An image of an OCI layout: chosen, copied with all digests checked by skopeo(1), unpacked by umoci(1). See unpack.h. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "container/confined.h"
#include "container/pipeline.h"
#include "container/unpack.h"
#include "sys/fd.h"

#define INDEX LXE_CONFINED_SOURCE "/index.json"
#define INDEX_MAX (1024 * 1024)
#define REF "org.opencontainers.image.ref.name"
#define SHA256 "sha256:"
#define SHA256_HEX 64
#define SUM LXE_CONFINED_WORK "/sum"

static const char copied[] = LXE_CONFINED_WORK "/oci:image";	       /* as umoci writes it, */
static const char to_copied[] = "oci:" LXE_CONFINED_WORK "/oci:image"; /* and as skopeo does */

static const char *ref_of(const json_t *manifest)
{
	return json_string_value(json_object_get(json_object_get(manifest, "annotations"), REF));
}

static const json_t *find(const json_t *manifests, const char *tag)
{
	const json_t *m;
	size_t i;

	json_array_foreach(manifests, i, m)
	{
		const char *ref = ref_of(m);

		if (ref && strcmp(ref, tag) == 0)
			return m;
	}
	return NULL;
}

static void hint_at_tags(const json_t *manifests, struct lxe_err *err)
{
	char names[160] = "";
	size_t i, used = 0;
	const json_t *m;

	json_array_foreach(manifests, i, m)
	{
		const char *ref = ref_of(m);
		char shown[64];

		if (!ref)
			continue;
		lxe_excerpt(shown, sizeof(shown), ref, strlen(ref));
		if (lxe_format(names + used, sizeof(names) - used, "%s%s", used ? ", " : "",
			    shown) < 0) {
			names[used] = '\0';
			break;
		}
		used += strlen(names + used);
	}
	if (used)
		lxe_hint(err, "it has %s: oci:LAYOUT:TAG", names);
}

static const json_t *choose(const json_t *manifests, const char *tag, struct lxe_err *err)
{
	const json_t *m = find(manifests, *tag ? tag : "latest");

	if (!m && !*tag && json_array_size(manifests) == 1)
		m = json_array_get(manifests, 0);
	if (m)
		return m;
	hint_at_tags(manifests, err);
	if (*tag)
		lxe_fail_msg(err, -ENOENT, "the layout has no image '%s'", tag);
	else
		lxe_fail_msg(err, -EINVAL, "the layout has %zu images, and none is 'latest'",
			json_array_size(manifests));
	return NULL;
}

static int read_index(json_t **ret, struct lxe_err *err)
{
	LXE_AUTOCLOSE int fd = open(INDEX, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	LXE_AUTOFREE char *text = NULL;
	size_t len = 0;
	int r = fd < 0 ? -errno : sys_read_whole(fd, INDEX_MAX, &text, &len);

	if (r == -ENOENT)
		return lxe_fail_msg(err, r, "it is no OCI layout: it has no index.json");
	if (r < 0)
		return lxe_fail(err, r, "read the layout's index.json");
	*ret = json_loadb(text, len, 0, NULL);
	if (json_is_array(json_object_get(*ret, "manifests")))
		return 0;
	json_decref(*ret);
	return lxe_fail_msg(err, -EBADMSG, "the layout's index.json cannot be read");
}

static int run_one(const char *const *argv, const char *package, int output, struct lxe_err *err)
{
	const struct lxe_pipeline p = {
		.stages = { { .argv = argv, .package = package } },
		.n = 1,
		.input = -EBADF,
		.output = output,
	};

	return lxe_pipeline_run(&p, NULL, 0, err);
}

static int run_into(
	const char *path, const char *const *argv, const char *package, struct lxe_err *err)
{
	LXE_AUTOCLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0)
		return lxe_fail(err, -errno, "make '%s'", path);
	return run_one(argv, package, fd, err);
}

/* The only digest that skopeo does not check: it takes the manifest for what the index names, whatever that says. */
static int check_manifest(const json_t *manifest, struct lxe_err *err)
{
	const char *digest = json_string_value(json_object_get(manifest, "digest"));
	char path[128], sum[256];
	const char *const argv[] = { "sha256sum", "-b", path, NULL };
	int r;

	if (!digest || !lxe_starts_with(digest, SHA256) ||
		strspn(digest + strlen(SHA256), "0123456789abcdef") != SHA256_HEX ||
		strlen(digest) != strlen(SHA256) + SHA256_HEX)
		return lxe_fail_msg(
			err, -EBADMSG, "the layout's index.json names no sha256 digest");
	r = lxe_format(path, sizeof(path), LXE_CONFINED_SOURCE "/blobs/sha256/%s",
		digest + strlen(SHA256));
	if (r == 0)
		r = run_into(SUM, argv, "coreutils", err);
	if (r == 0)
		r = (int)sys_read_file(AT_FDCWD, SUM, sum, sizeof(sum));
	if (r < 0)
		return lxe_fail(err, r, "check the manifest");
	if (lxe_starts_with(sum, digest + strlen(SHA256)))
		return 0;
	return lxe_fail_msg(err, -EBADMSG, "the digest of the manifest is not %s", digest);
}

static int copy(const char *ref, struct lxe_err *err)
{
	char source[512];
	const char *const argv[] = { "skopeo", "--insecure-policy", "copy", "--quiet",
		"--dest-oci-accept-uncompressed-layers", source, to_copied, NULL };
	int r = lxe_format(source, sizeof(source), "oci:" LXE_CONFINED_SOURCE "%s%s",
		ref ? ":" : "", ref ? ref : "");

	if (r < 0)
		return lxe_fail(err, r, "copy the image");
	r = run_one(argv, "skopeo", -EBADF, err);
	return r < 0 ? lxe_fail(err, r, "copy the image") : 0;
}

static int unpack(struct lxe_err *err)
{
	static const char *const inspect[] = { "skopeo", "inspect", "--config", "--raw", to_copied,
		NULL };
	static const char *const umoci[] = { "umoci", "raw", "unpack", "--image", copied,
		LXE_CONFINED_TARGET, NULL };
	int r;

	r = run_into(LXE_CONFINED_WORK "/" LXE_UNPACK_CONFIG, inspect, "skopeo", err);
	if (r < 0)
		return lxe_fail(err, r, "read its configuration");
	r = run_one(umoci, "umoci", STDERR_FILENO, err);
	return r < 0 ? lxe_fail(err, r, "unpack the image") : 0;
}

int lxe_unpack_oci(const char *tag, struct lxe_err *err)
{
	json_t *index = NULL;
	const json_t *manifest;
	int r = read_index(&index, err);

	if (r < 0)
		return r;
	manifest = choose(json_object_get(index, "manifests"), tag, err);
	r = manifest ? check_manifest(manifest, err) : err->code;
	if (r == 0 && setenv("TMPDIR", LXE_CONFINED_WORK, 1) < 0)
		r = -ENOMEM;
	if (r == 0)
		r = copy(ref_of(manifest), err);
	json_decref(index);
	return r < 0 ? r : unpack(err);
}
