// SPDX-License-Identifier: GPL-2.0
// needs: kernel
// expect: E0499: cannot borrow `room` as mutable more than once

//! Creates a second receiver while the first is in use.

use riscv::barrier::message::Message;

pub fn misuse() {
    let mut room = Message::<u32>::new();
    let (sender, mut receiver) = room.split();

    #[cfg(misuse)]
    let _ = room.split();
    sender.send(1);
    let _ = receiver.receive();
}
