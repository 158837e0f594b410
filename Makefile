# SPDX-License-Identifier: GPL-2.0
#
# From a fresh machine to live kernel text patched by Rust; see "make help".

# Export only variables that are set: cargo and others would run an empty RUSTC.
settings := SMP AIA FLAVOUR HOOKS JOBS CACHE KERNEL KERNEL_SRC ONLY TOGGLES APPEND INSTALL TESTS DURATION \
	SEED LLVM RUSTC CARGO BINDGEN QEMU HERD7 OPENSBI BUSYBOX GUEST_BASH DEBIAN_MIRROR
$(foreach v,$(settings),$(if $($(v)),$(eval export $(v)),$(eval unexport $(v))))

# All files that are read and written here are UTF-8, regardless of the locale.
export PYTHONUTF8 := 1

# Installs Python on a machine that has none.
bootstrap := scripts/bootstrap.sh build/toolchain

.PHONY: run test test-full host-test selftests stress defects bench ledger cycles litmus shell \
	modules modules_install in-tree kernel source series lint rustdoc htmldocs clean clean-cache help

run:
	@$(bootstrap)
	@python3 scripts/run.py

test:
	@$(bootstrap) cargo
	@python3 scripts/test.py

test-full:
	@$(bootstrap) cargo
	@python3 scripts/test.py --full

host-test:
	@$(bootstrap)
	@python3 scripts/test.py --host

selftests:
	@$(bootstrap)
	@python3 scripts/selftests.py

stress:
	@$(bootstrap)
	@python3 scripts/stress.py

defects:
	@$(bootstrap)
	@python3 scripts/defects.py $(ONLY)

bench:
	@$(bootstrap)
	@python3 scripts/bench.py

ledger:
	@$(bootstrap)
	@python3 scripts/ledger.py

cycles:
	@$(bootstrap)
	@python3 scripts/cycles.py

# Memory-model tests, and the barriers in our objects.
litmus:
	@$(bootstrap) cargo
	@python3 scripts/litmus.py

shell:
	@$(bootstrap)
	@python3 scripts/shell.py

kernel:
	@$(bootstrap)
	@python3 scripts/kernel.py build --flavour $(or $(FLAVOUR),ordinary)

# Kbuild accepts neither in M=. Without KDIR, the modules are built in a path that it accepts.
plain = $(if $(filter-out 1,$(words $(CURDIR)) $(words $(KDIR)))$(findstring :,$(CURDIR)$(KDIR)), \
	$(error Kbuild takes no spaces or colons in the path of modules or of a kernel: \
	"$(CURDIR)" and "$(KDIR)". Name the folder otherwise, or build in a copy))

# With KDIR, Kbuild against one's own kernel; ARCH, LLVM, CROSS_COMPILE, RUSTC
# and the like on the command line reach it. Without, against ours.
ifdef KDIR
modules modules_install:
	$(plain)
	$(MAKE) -C $(KDIR) M=$(CURDIR) $(if $(MO),MO=$(abspath $(MO))) $@
else
modules:
	@$(bootstrap)
	@python3 scripts/modules.py

modules_install:
	$(error Say where: make modules_install KDIR=/path/to/kernel/build [INSTALL_MOD_PATH=...])
endif

# Our sources and the kernel series in a Linux tree, KERNEL.
in-tree:
	@$(bootstrap)
	@python3 scripts/in_tree.py

source:
	@$(bootstrap)
	@python3 scripts/source.py

# The kernel series as it is sent, in build/series.
series:
	@$(bootstrap)
	@python3 scripts/series.py $(if $(REFRESH),--refresh)

lint:
	@$(bootstrap)
	@python3 scripts/lint.py

rustdoc htmldocs:
	@$(bootstrap)
	@python3 scripts/lint.py $@

# Kbuild's own clean needs the kernel the objects were built against.
clean:
ifdef KDIR
	$(plain)
	$(MAKE) -C $(KDIR) M=$(CURDIR) clean
endif
	rm -rf build
	rm -f rust/*.rmeta

clean-cache:
	@scripts/clean-cache.sh

help:
	@cat scripts/help.txt
