// SPDX-License-Identifier: GPL-2.0
/* Calls of text patching as by users in the kernel, with our hooks. */
#include <linux/moduleparam.h>
#include <linux/printk.h>
#include <linux/smp.h>
#include <linux/stop_machine.h>
#include <linux/string.h>
#include <linux/text-patching.h>
#include <linux/timex.h>
#include <asm/delay.h>

#include "../support/helpers.h"

/* Write text as the kernel's own users do, holding the same locks. */
int rust_riscv_test_kernel_writes(enum rust_riscv_test_call call, void *addr,
				  const void *insns, size_t len)
{
	int ret = -EINVAL;

	patch_text_lock();
	switch (call) {
	case RUST_RISCV_TEST_INSN_WRITE:
		ret = patch_insn_write(addr, insns, len);
		break;
	case RUST_RISCV_TEST_NOSYNC:
		ret = patch_text_nosync(addr, insns, len);
		break;
	case RUST_RISCV_TEST_SET:
		ret = patch_text_set_nosync(addr, *(const u8 *)insns, len);
		break;
	case RUST_RISCV_TEST_PATCH:
		ret = patch_text(addr, (u32 *)insns, len);
		break;
	case RUST_RISCV_TEST_QUEUE:
		ret = patch_text_queue(addr, insns, len, false);
		break;
	case RUST_RISCV_TEST_QUEUE_FIRST:
		ret = patch_text_queue(addr, insns, len, true);
		break;
	}
	if (call == RUST_RISCV_TEST_INSN_WRITE)
		patch_text_sync();
	patch_text_unlock();
	return ret;
}

/* Queue many texts at once, as ftrace does, and sync. */
int rust_riscv_test_kernel_queues(const struct rust_riscv_test_write *writes, size_t count)
{
	/* Protected by the lock. Larger than what a provider handles at once. */
	static struct riscv_patch_text texts[100];
	size_t n, some;
	int ret = 0;

	patch_text_lock();
	for (; count && !ret; writes += some, count -= some) {
		some = min(count, ARRAY_SIZE(texts));
		for (n = 0; n < some; n++) {
			texts[n] = (struct riscv_patch_text) {
				.addr = writes[n].addr,
				.len = writes[n].len,
				.first = writes[n].first,
				.literal = writes[n].first,
			};
			if (WARN_ON(writes[n].len > sizeof(texts[n].bytes)))
				texts[n].len = 0;
			memcpy(&texts[n].bytes, writes[n].insns, texts[n].len);
		}
		ret = patch_text_queue_many(texts, &some);
	}
	patch_text_sync();
	patch_text_unlock();
	return ret;
}

/* Queue one write, then make another one: the first must be visible before the second. */
int rust_riscv_test_kernel_writes_after_queue(const struct rust_riscv_test_write *first,
					      const struct rust_riscv_test_write *then)
{
	int ret;

	patch_text_lock();
	ret = patch_text_queue(first->addr, first->insns, first->len, first->first);
	if (!ret)
		ret = patch_insn_write(then->addr, then->insns, then->len);
	patch_text_unlock();
	return ret;
}

static int write_nothing(struct riscv_patch_provider *self, void *addr,
			 const void *insns, size_t len, unsigned int flush)
{
	return -EOPNOTSUPP;
}

/* Try to register a second provider; return the error. */
int rust_riscv_test_second_provider(void)
{
	static struct riscv_patch_provider second = {
		.write = write_nothing,
	};
	int ret = riscv_patch_provider_register(&second);

	if (!ret)
		riscv_patch_provider_unregister(&second);
	return ret;
}

static atomic_t flushed;

static void flush_there(void *info)
{
	atomic_set(&flushed, 1);
}

static int flush_inside(void *data)
{
	static call_single_data_t csd = CSD_INIT(flush_there, NULL);
	unsigned int *asked = data;
	u64 end;

	if (smp_processor_id() != cpumask_first(cpu_online_mask))
		return 0;
	*asked = cpumask_next(smp_processor_id(), cpu_online_mask);
	if (smp_call_function_single_async(*asked, &csd))
		return -EBUSY;
	/* A provider that waited for the answer would wait here forever. */
	end = get_cycles64() + riscv_timebase / 5;
	while (get_cycles64() < end && !atomic_read(&flushed))
		cpu_relax();
	return atomic_read(&flushed);
}

/*
 * Stop the machine and send another CPU an IPI from the stopped machine.
 *
 * Returns 0 if the IPI was answered only after the machine was restarted, 1 if
 * it was answered before, or an error.
 */
int rust_riscv_test_flush_inside_stop(void)
{
	unsigned int asked = nr_cpu_ids;
	int ret;

	atomic_set(&flushed, 0);
	ret = stop_machine(flush_inside, &asked, cpu_online_mask);
	if (ret)
		return ret;
	/* Functions run in order, so the first one has run when this returns. */
	smp_call_function_single(asked, flush_there, NULL, 1);
	return atomic_read(&flushed) ? 0 : -EIO;
}

#define LINE	pr_debug("rust_riscv_kunit_engine: debug line\n")
#define LINES	\
	do { LINE; LINE; LINE; LINE; LINE; LINE; LINE; LINE; LINE; LINE; } while (0)

/* Each message has a static key of its own, and is printed if dynamic debug enables it. */
static int print_lines(const char *value, const struct kernel_param *param)
{
	LINES;
	LINES;
	LINES;
	LINES;
	LINES;
	LINES;
	LINES;
	return 0;
}

static const struct kernel_param_ops lines_ops = {
	.set = print_lines,
};
module_param_cb(debug_lines, &lines_ops, NULL, 0200);
MODULE_PARM_DESC(debug_lines, "Written: print 70 debug messages, for a test of dynamic debug");
