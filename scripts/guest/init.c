// SPDX-License-Identifier: GPL-2.0
/*
 * What /init and test.sh do, for a guest without compressed instructions, on
 * which busybox does not run: load everything, run each KUnit module, look at the
 * page tables, unload everything. Made for the kernel's nolibc.
 */

#include <asm/unistd.h>
#include <linux/reboot.h>
#include <stdarg.h>

#define DEBUGFS	"/sys/kernel/debug"
#define NAME	64
#define MODULES	32

static int kmsg;
static char settings[16384];

/* All that the host reads goes through the kernel's log: its lines stay whole. */
static void say(const char *format, ...)
{
	char line[900] = "rr: ";
	va_list args;

	va_start(args, format);
	vsnprintf(line + 4, sizeof(line) - 4, format, args);
	va_end(args);
	write(kmsg, line, strlen(line));
}

/* One result for the host to count. */
static bool check(bool ok, const char *what, const char *detail)
{
	if (ok)
		say("ok %s", what);
	else
		say("not ok %s: %s", what, detail);
	return ok;
}

/* Read a file, up to size - 1 bytes; the length, or -1. */
static long slurp(const char *path, char *buffer, long size)
{
	long length = 0, n = 0;
	int fd = open(path, O_RDONLY);

	if (fd < 0)
		return -1;
	while (length < size - 1 && (n = read(fd, buffer + length, size - 1 - length)) > 0)
		length += n;
	close(fd);
	buffer[length] = '\0';
	return n < 0 ? -1 : length;
}

/* Send a file's lines, one log record each. */
static void send(const char *tag, const char *path)
{
	static char buffer[1 << 16];
	char line[900];
	long have = 0, n;
	int fd = open(path, O_RDONLY);

	say("begin %s", tag);
	while (fd >= 0 && (n = read(fd, buffer + have, sizeof(buffer) - 1 - have)) > 0) {
		char *next = buffer, *end;

		have += n;
		buffer[have] = '\0';
		while ((end = strchr(next, '\n'))) {
			*end = '\0';
			n = snprintf(line, sizeof(line), "rr-%s: %s", tag, next);
			if (n >= (long)sizeof(line))
				n = sizeof(line) - 1;
			write(kmsg, line, n);
			next = end + 1;
		}
		have -= next - buffer;
		memmove(buffer, next, have);
	}
	if (fd >= 0 && !have)
		say("end %s", tag);
	close(fd);
}

/* The value of a line NAME='value' of /settings, empty if there is none. */
static const char *setting(const char *name)
{
	static char value[2048];
	char key[NAME + 16];
	char *at, *end;

	value[0] = '\0';
	snprintf(key, sizeof(key), "\n%s='", name);
	at = strstr(settings, key);
	if (at) {
		at += strlen(key);
		end = strchr(at, '\'');
		if (end && end - at < (long)sizeof(value)) {
			memcpy(value, at, end - at);
			value[end - at] = '\0';
		}
	}
	return value;
}

/* The words of a setting; how many there are. */
static int words(const char *name, char found[][NAME])
{
	const char *at = setting(name);
	int count = 0;

	while (*at) {
		int length = 0;

		while (at[length] && at[length] != ' ')
			length++;
		if (length && length < NAME && count < MODULES) {
			memcpy(found[count], at, length);
			found[count++][length] = '\0';
		}
		at += length + (at[length] == ' ');
	}
	return count;
}

static bool load(const char *module)
{
	char path[NAME + 32], what[NAME + 32];
	long err = -ENOENT;
	int fd;

	snprintf(what, sizeof(what), "PARAMS_%s", module);
	snprintf(path, sizeof(path), "/modules/%s.ko", module);
	fd = open(path, O_RDONLY);
	if (fd >= 0) {
		err = syscall(__NR_finit_module, fd, setting(what), 0) ? -errno : 0;
		close(fd);
	}
	snprintf(what, sizeof(what), "insmod %s", module);
	snprintf(path, sizeof(path), "error %ld", err);
	return check(!err, what, path);
}

static int rmmod(const char *module)
{
	return syscall(__NR_delete_module, module, O_NONBLOCK) ? errno : 0;
}

/* A module's first file in debugfs. */
static bool file_of(const char *module, char *path, int size)
{
	struct dirent entry, *found = NULL;
	DIR *folder;

	snprintf(path, size, DEBUGFS "/%s", module);
	folder = opendir(path);
	if (!folder)
		return false;
	while (!readdir_r(folder, &entry, &found) && found && found->d_name[0] == '.')
		;
	closedir(folder);
	if (!found)
		return false;
	snprintf(path, size, DEBUGFS "/%s/%s", module, entry.d_name);
	return true;
}

static void unload(const char *module)
{
	char path[512], what[NAME + 32];
	int err;

	if (file_of(module, path, sizeof(path))) {
		int fd = open(path, O_RDONLY);

		/* While its file is open, it cannot be removed. */
		err = fd < 0 ? ENOENT : rmmod(module);
		close(fd);
		snprintf(what, sizeof(what), "open %s", module);
		check(err == EAGAIN, what, "was removed while its file was open");
	}
	err = rmmod(module);
	snprintf(what, sizeof(what), "rmmod %s", module);
	snprintf(path, sizeof(path), "error %d", err);
	check(!err, what, path);
}

static bool is_loaded(const char *module)
{
	static char modules[1 << 16];
	char line[NAME + 4];

	modules[0] = '\n';
	if (slurp("/proc/modules", modules + 1, sizeof(modules) - 1) < 0)
		return false;
	snprintf(line, sizeof(line), "\n%s ", module);
	return strstr(modules, line);
}

/* How harts fetch: as the host says where that is known better, else as their ISA strings do. */
static bool fetch_is_known(void)
{
	static char text[1 << 16];
	const char *parameters = setting("PARAMS_rust_riscv_patch");
	int fetch;

	if (strstr(parameters, "atomic_fetch=0"))
		fetch = 0;
	else if (strstr(parameters, "atomic_fetch=1"))
		fetch = 1;
	else
		fetch = slurp("/proc/cpuinfo", text, sizeof(text)) > 0 && strstr(text, "ziccif");
	return slurp(DEBUGFS "/rust_riscv_patch/stats", text, sizeof(text)) > 0 &&
	       strstr(text, fetch ? "atomic_fetch: 1\n" : "atomic_fetch: 0\n");
}

/* Whether the kernel's log has these words. */
static bool logged(const char *what)
{
	const long size = 16 << 20;
	char *log = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool found;

	if (log == MAP_FAILED)
		return false;
	/* SYSLOG_ACTION_READ_ALL; zeroes follow. */
	found = syscall(__NR_syslog, 3, log, size - 1) > 0 && strstr(log, what);
	munmap(log, size);
	return found;
}

/* Attaching to BPF programs that run, which is a guarded edit; its line if it fails. */
static void run_bpf(void)
{
	static char output[512];
	static char * const argv[] = { "/programs/bpf_fentry", "2000", "1", NULL };
	int status = -1;
	pid_t child = fork();

	if (!child) {
		int fd = open("/tmp/out", O_WRONLY | O_CREAT | O_TRUNC, 0600);

		dup2(fd, 1);
		dup2(fd, 2);
		execve(argv[0], argv, environ);
		exit(127);
	}
	waitpid(child, &status, 0);
	slurp("/tmp/out", output, sizeof(output));
	say("bpf_fentry: %s", output);
	check(!status, "bpf_fentry", output);
}

static void mount_all(void)
{
	static const char * const mounts[][2] = {
		{ "proc", "/proc" }, { "sysfs", "/sys" }, { "devtmpfs", "/dev" },
		{ "debugfs", DEBUGFS }, { "tracefs", "/sys/kernel/tracing" }, { "tmpfs", "/tmp" },
	};

	for (unsigned int i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++)
		mount(mounts[i][0], mounts[i][1], mounts[i][0], 0, NULL);
}

static int test(void)
{
	static char loaded[MODULES][NAME], kunit[MODULES][NAME], litmus[MODULES][NAME];
	static char wx[256];
	int modules = words("LOAD", loaded), suites = words("KUNIT", kunit);
	int samples = words("LITMUS", litmus);
	char path[128];

	for (int i = 0; i < modules; i++)
		if (!load(loaded[i]))
			return 1;

	/* Each suite between marks of its own: one that crashes does not hide another. */
	for (int i = 0; i < suites; i++) {
		say("begin kunit %s", kunit[i]);
		load(kunit[i]);
		say("end kunit %s", kunit[i]);
	}

	/* Litmus tests on these harts: all pairs of neighbours. */
	for (int i = 0; i < samples; i++) {
		if (!load(litmus[i]))
			continue;
		snprintf(path, sizeof(path), DEBUGFS "/%s/results", litmus[i]);
		send("litmus", path);
		unload(litmus[i]);
	}

	check(fetch_is_known(), "atomic_fetch", "not as in the harts' ISA strings");
	run_bpf();

	if (*setting("CHECK_PAGES")) {
		send("pages", DEBUGFS "/kernel_page_tables");
		check(slurp(DEBUGFS "/check_wx_pages", wx, sizeof(wx)) > 0 &&
		      !strncmp(wx, "SUCCESS", 7), "check_wx_pages", wx);
	}

	for (int i = suites - 1; i >= 0; i--)
		if (is_loaded(kunit[i]))
			unload(kunit[i]);
	for (int i = modules - 1; i >= 0; i--)
		if (is_loaded(loaded[i]))
			unload(loaded[i]);

	/* What a suite cannot try: it runs while its module stays. */
	check(logged("coming: refused"), "coming", "not in the log");
	check(logged("going away: refused"), "going_away", "not in the log");
	return 0;
}

int main(void)
{
	int status;

	mount_all();
	kmsg = open("/dev/kmsg", O_WRONLY);
	settings[0] = '\n';
	slurp("/settings", settings + 1, sizeof(settings) - 1);
	status = test();
	say("exit %d", status);
	reboot(LINUX_REBOOT_CMD_POWER_OFF);
	return 1;
}
