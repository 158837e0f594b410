// SPDX-License-Identifier: GPL-2.0
/*
 * The first process of a guest without compressed instructions, where busybox does
 * not run. It does what /init and test.sh do: load all modules, run each KUnit
 * module, dump the page tables, unload all modules. It also attaches to BPF programs,
 * by guarded edits if harts fetch an instruction at once. The check that the log
 * contains no addresses is left to other guests. Built with the kernel's nolibc.
 */

#include <asm/unistd.h>
#include <linux/reboot.h>
#include <stdarg.h>

#define DEBUGFS	"/sys/kernel/debug"
#define NAME	64
#define MODULES	32
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static int kmsg;
static char settings[16384];

/* All output for the host goes through the kernel's log, so that lines are not mixed. */
static void say(const char *format, ...)
{
	char line[900] = "guest: ";
	int prefix = strlen(line);
	va_list args;

	va_start(args, format);
	vsnprintf(line + prefix, sizeof(line) - prefix, format, args);
	va_end(args);
	write(kmsg, line, strlen(line));
}

/* Report a result to the host. */
static bool check(bool ok, const char *what, const char *detail)
{
	if (ok)
		say("ok %s", what);
	else
		say("not ok %s: %s", what, detail);
	return ok;
}

/* Read up to size - 1 bytes of a file. Returns the length, or -1. */
static long read_file(const char *path, char *buffer, long size)
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

/* Send a file to the host, a log record for each line. */
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
			n = snprintf(line, sizeof(line), "guest-%s: %s", tag, next);
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

/* The value of the line NAME='value' of /settings, or an empty string. */
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

/* Split a setting into words. Returns their number. */
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

/* The path of a module's first file in debugfs, in the order of their names. */
static bool file_of(const char *module, char *path, int size)
{
	struct dirent entry, *found = NULL;
	char first[NAME] = "";
	DIR *folder;

	snprintf(path, size, DEBUGFS "/%s", module);
	folder = opendir(path);
	if (!folder)
		return false;
	while (!readdir_r(folder, &entry, &found) && found) {
		if (entry.d_name[0] != '.' && (!first[0] || strcmp(entry.d_name, first) < 0))
			snprintf(first, sizeof(first), "%s", entry.d_name);
	}
	closedir(folder);
	snprintf(path, size, DEBUGFS "/%s/%s", module, first);
	return first[0];
}

static void unload(const char *module)
{
	char path[512], what[NAME + 32];
	int err;

	if (file_of(module, path, sizeof(path))) {
		int fd = open(path, O_RDONLY);

		/* The module cannot be removed while its file is open. */
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
	if (read_file("/proc/modules", modules + 1, sizeof(modules) - 1) < 0)
		return false;
	snprintf(line, sizeof(line), "\n%s ", module);
	return strstr(modules, line);
}

/*
 * Whether harts fetch an instruction at once: from the module's parameter if the host
 * has set it, otherwise from the ISA strings.
 */
static bool fetch_is_atomic(void)
{
	static char text[1 << 16];
	const char *parameters = setting("PARAMS_rust_riscv_patch");

	if (strstr(parameters, "atomic_fetch="))
		return strstr(parameters, "atomic_fetch=1");
	return read_file("/proc/cpuinfo", text, sizeof(text)) > 0 && strstr(text, "ziccif");
}

/* Whether the module knows that. */
static bool fetch_is_known(bool atomic)
{
	static char text[1 << 16];

	return read_file(DEBUGFS "/rust_riscv_patch/stats", text, sizeof(text)) > 0 &&
	       strstr(text, atomic ? "atomic_fetch: 1\n" : "atomic_fetch: 0\n");
}

/* Whether the kernel's log contains this text. */
static bool logged(const char *what)
{
	const long size = 16 << 20;
	char *log = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool found;

	if (log == MAP_FAILED)
		return false;
	/* SYSLOG_ACTION_READ_ALL. What it does not fill is zero. */
	found = syscall(__NR_syslog, 3, log, size - 1) > 0 && strstr(log, what);
	munmap(log, size);
	return found;
}

/* Attach to a BPF program of this kind, which a number of processes run meanwhile. */
static void run_bpf(char *runners, char *kind)
{
	char * const argv[] = { "/programs/bpf_fentry", "1000", runners, kind, NULL };
	static char output[512];
	char what[NAME];
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
	read_file("/tmp/out", output, sizeof(output));
	snprintf(what, sizeof(what), "bpf_fentry %s %s", runners, kind ?: "");
	say("%s: %s", what, output);
	check(!status, what, output);
}

/*
 * To attach is to write data, one instruction ("alone") or a pair ("long"). Harts that
 * fetch in halves may execute neither while another one writes.
 */
static void run_all_bpf(bool atomic)
{
	run_bpf("1", NULL);
	run_bpf(atomic ? "1" : "0", "alone");
	run_bpf(atomic ? "1" : "0", "long");
}

static void mount_all(void)
{
	static const char * const mounts[][2] = {
		{ "proc", "/proc" }, { "sysfs", "/sys" }, { "devtmpfs", "/dev" },
		{ "debugfs", DEBUGFS }, { "tracefs", "/sys/kernel/tracing" }, { "tmpfs", "/tmp" },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(mounts); i++)
		mount(mounts[i][0], mounts[i][1], mounts[i][0], 0, NULL);
}

static int test(void)
{
	static char loaded[MODULES][NAME], kunit[MODULES][NAME], litmus[MODULES][NAME];
	static char wx[256];
	int modules = words("LOAD", loaded), suites = words("KUNIT", kunit);
	int samples = words("LITMUS", litmus);
	bool atomic = fetch_is_atomic(), engine = false;
	char path[128];

	for (int i = 0; i < modules; i++)
		if (!load(loaded[i]))
			return 1;

	/* Each suite has marks of its own in the log, so that a crash does not hide others. */
	for (int i = 0; i < suites; i++) {
		say("begin kunit %s", kunit[i]);
		load(kunit[i]);
		say("end kunit %s", kunit[i]);
		engine |= !strcmp(kunit[i], "rust_riscv_kunit_engine");
	}

	/* Litmus tests on this guest's harts, on all pairs of adjacent ones. */
	for (int i = 0; i < samples; i++) {
		if (!load(litmus[i]))
			continue;
		snprintf(path, sizeof(path), DEBUGFS "/%s/results", litmus[i]);
		send("litmus", path);
		unload(litmus[i]);
	}

	check(fetch_is_known(atomic), "atomic_fetch", "not as it is");
	run_all_bpf(atomic);

	if (*setting("CHECK_PAGES")) {
		send("pages", DEBUGFS "/kernel_page_tables");
		check(read_file(DEBUGFS "/check_wx_pages", wx, sizeof(wx)) > 0 &&
		      !strncmp(wx, "SUCCESS", 7), "check_wx_pages", wx);
	}

	for (int i = suites - 1; i >= 0; i--)
		if (is_loaded(kunit[i]))
			unload(kunit[i]);
	for (int i = modules - 1; i >= 0; i--)
		if (is_loaded(loaded[i]))
			unload(loaded[i]);

	/* Suites cannot check this, since they run while their module is loaded. */
	if (engine) {
		check(logged("coming: refused"), "coming", "not in the log");
		check(logged("going away: refused"), "going_away", "not in the log");
	}
	return 0;
}

int main(void)
{
	int status;

	mount_all();
	kmsg = open("/dev/kmsg", O_WRONLY);
	settings[0] = '\n';
	read_file("/settings", settings + 1, sizeof(settings) - 1);
	status = test();
	say("exit %d", status);
	reboot(LINUX_REBOOT_CMD_POWER_OFF);
	return 1;
}
