// SPDX-License-Identifier: GPL-2.0
// needs: kernel
// expect: E0382: use of moved value: `sender`

//! Sends two messages with one sender.

use riscv::barrier::message::Message;

pub fn misuse() {
    let mut room = Message::new();
    let (sender, _receiver) = room.split();

    sender.send(1);
    #[cfg(misuse)]
    sender.send(2);
}
