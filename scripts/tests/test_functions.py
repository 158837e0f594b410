# SPDX-License-Identifier: GPL-2.0
"""Tests of harness/functions.py."""

import unittest

from harness import functions

RUST = '''
//! fn not_this() {}
impl<'a, T: Fn(u32) -> bool> Trait<T> for crate::Some<'a, T>
where
    T: Copy,
{
    fn one(&self, array: [u8; 2]) -> u32 {
        let text = "} fn nor_this() {"; // }
        f::<T>('{', b'}')
    }
}

pub trait Declared {
    fn declared(&self);
    fn given(&self) { fence("fence.i") }
}

unsafe extern "C" fn two() {
    fn inner() {}
}
'''

C = '''
#define MACRO(x) { x }
/* void not_this(void) { } */
static struct some *
one(int a)
{
	if (a) {
		b("}");
	}
}
EXPORT_SYMBOL(one);

static int table[] = {
	1,
};
#ifdef X
notrace __kprobes bool two(void)
{
}
#endif
'''


class Find(unittest.TestCase):
    def test_rust(self) -> None:
        found = functions.find("a/b.rs", RUST)
        self.assertEqual([(f.name, f.first, f.last) for f in found], [
            ("Some::one", 6, 9), ("Declared::given", 14, 14), ("two", 17, 19), ("inner", 18, 18)])
        self.assertNotIn("nor_this", found[0].text)
        self.assertIn('"fence.i"', found[1].text)

    def test_c(self) -> None:
        found = functions.find("a/b.c", C)
        self.assertEqual([(f.name, f.first, f.last) for f in found],
                         [("one", 3, 9), ("two", 16, 18)])
