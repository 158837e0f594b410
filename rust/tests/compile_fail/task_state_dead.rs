// SPDX-License-Identifier: GPL-2.0
// needs: kernel
// expect: E0308: mismatched types

//! Sets the state of the current task to `TASK_DEAD`, which would free it while it runs.

use riscv::thread::{
    set_current_state,
    TaskState, //
};

pub fn misuse() {
    #[cfg(misuse)]
    set_current_state(kernel::bindings::TASK_DEAD);
    set_current_state(TaskState::Running);
}
