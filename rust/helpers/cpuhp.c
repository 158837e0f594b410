// SPDX-License-Identifier: GPL-2.0
/* The lock of CPU hotplug, per-CPU interrupts, harts, and reading a file of sysfs. */
#include <linux/cpu.h>
#include <linux/fs.h>
#include <linux/irq.h>
#include <linux/irqdomain.h>
#include <linux/smp.h>
#include <asm/sbi.h>
#include <asm/smp.h>

#include "helpers.h"

void rust_riscv_cpus_read_lock(void)
{
	cpus_read_lock();
}

bool rust_riscv_cpus_read_trylock(void)
{
	return cpus_read_trylock();
}

void rust_riscv_cpus_read_unlock(void)
{
	cpus_read_unlock();
}

/* The Linux IRQ of the hart-local interrupt @hwirq; 0 if it is not mapped. */
unsigned int rust_riscv_intc_irq(unsigned int hwirq)
{
	struct irq_domain *domain;

	domain = irq_find_matching_fwnode(riscv_get_intc_hwnode(),
					  DOMAIN_BUS_ANY);
	return domain ? irq_find_mapping(domain, hwirq) : 0;
}

unsigned int rust_riscv_irq_trigger(unsigned int irq)
{
	return irq_get_trigger_type(irq);
}

bool rust_riscv_sbi_delivers_ipis(void)
{
	/* The key is there only with CONFIG_SMP. */
	return IS_ENABLED(CONFIG_SMP) && riscv_use_sbi_for_rfence();
}

unsigned long rust_riscv_hart_of(unsigned int cpu)
{
	return cpuid_to_hartid_map(cpu);
}

/*
 * Read up to @len bytes from the start of the file @path into @buf.
 *
 * Returns the number of bytes read, or a negative errno.
 */
long rust_riscv_read_file(const char *path, char *buf, unsigned long len)
{
	struct file *file = filp_open(path, O_RDONLY, 0);
	loff_t pos = 0;
	long got;

	if (IS_ERR(file))
		return PTR_ERR(file);
	got = kernel_read(file, buf, len, &pos);
	filp_close(file, NULL);
	return got;
}
