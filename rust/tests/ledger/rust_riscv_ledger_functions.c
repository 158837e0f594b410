// SPDX-License-Identifier: GPL-2.0
/* A module of 1,000 functions that can be traced: "make ledger" counts what loading it costs. */
#include <linux/compiler.h>
#include <linux/module.h>

#define TEN(n)							\
	static noinline __used void ledger_##n##0(void) { barrier(); }	\
	static noinline __used void ledger_##n##1(void) { barrier(); }	\
	static noinline __used void ledger_##n##2(void) { barrier(); }	\
	static noinline __used void ledger_##n##3(void) { barrier(); }	\
	static noinline __used void ledger_##n##4(void) { barrier(); }	\
	static noinline __used void ledger_##n##5(void) { barrier(); }	\
	static noinline __used void ledger_##n##6(void) { barrier(); }	\
	static noinline __used void ledger_##n##7(void) { barrier(); }	\
	static noinline __used void ledger_##n##8(void) { barrier(); }	\
	static noinline __used void ledger_##n##9(void) { barrier(); }

TEN(00) TEN(01) TEN(02) TEN(03) TEN(04) TEN(05) TEN(06) TEN(07) TEN(08) TEN(09)
TEN(10) TEN(11) TEN(12) TEN(13) TEN(14) TEN(15) TEN(16) TEN(17) TEN(18) TEN(19)
TEN(20) TEN(21) TEN(22) TEN(23) TEN(24) TEN(25) TEN(26) TEN(27) TEN(28) TEN(29)
TEN(30) TEN(31) TEN(32) TEN(33) TEN(34) TEN(35) TEN(36) TEN(37) TEN(38) TEN(39)
TEN(40) TEN(41) TEN(42) TEN(43) TEN(44) TEN(45) TEN(46) TEN(47) TEN(48) TEN(49)
TEN(50) TEN(51) TEN(52) TEN(53) TEN(54) TEN(55) TEN(56) TEN(57) TEN(58) TEN(59)
TEN(60) TEN(61) TEN(62) TEN(63) TEN(64) TEN(65) TEN(66) TEN(67) TEN(68) TEN(69)
TEN(70) TEN(71) TEN(72) TEN(73) TEN(74) TEN(75) TEN(76) TEN(77) TEN(78) TEN(79)
TEN(80) TEN(81) TEN(82) TEN(83) TEN(84) TEN(85) TEN(86) TEN(87) TEN(88) TEN(89)
TEN(90) TEN(91) TEN(92) TEN(93) TEN(94) TEN(95) TEN(96) TEN(97) TEN(98) TEN(99)

MODULE_DESCRIPTION("1,000 functions");
MODULE_LICENSE("GPL");
