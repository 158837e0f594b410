// SPDX-License-Identifier: GPL-2.0
#include <linux/sched.h>
#include <linux/smp.h>

#include "helpers.h"

void rr_on_each_cpu(void (*fn)(void *info), void *info)
{
	on_each_cpu(fn, info, 1);
}

void rr_migrate_disable(void)
{
	migrate_disable();
}

void rr_migrate_enable(void)
{
	migrate_enable();
}
