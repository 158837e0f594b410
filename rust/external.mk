# SPDX-License-Identifier: GPL-2.0
#
# Built for a kernel that does not contain these sources, everything is a module. In a kernel
# tree (make in-tree) the options of Kconfig say what is built, with M=arch/riscv/rust_riscv, too.

here := $(realpath $(dir $(lastword $(MAKEFILE_LIST))))
ifneq ($(KBUILD_EXTMOD),)
ifneq ($(here),$(realpath $(srctree)/arch/riscv/rust_riscv/rust))
CONFIG_RUST_RISCV := m
CONFIG_RUST_RISCV_PATCH := m
CONFIG_RUST_RISCV_FAULT := m
CONFIG_RUST_RISCV_SBI_IPI := $(if $(CONFIG_HOTPLUG_CPU),m)
CONFIG_RUST_RISCV_KUNIT_TEST := $(if $(CONFIG_KUNIT),m)
CONFIG_SAMPLE_RUST_CPUHP_OBSERVER := $(if $(CONFIG_HOTPLUG_CPU),m)
CONFIG_SAMPLE_RUST_TEXT_TOGGLE := m
endif
endif

# arch/riscv/Makefile disables C, but not Zca, of which C consists: with rustc 1.96, all code would
# be compressed.
rustflags-y += $(if $(CONFIG_RISCV_ISA_C),,-Ctarget-feature=-zca)
