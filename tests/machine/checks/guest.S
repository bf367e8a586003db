/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A whole guest in a boot sector: fills its memory from 1 MiB on, reads it
 * again, and says G (good) or B (bad) on QEMU's debug console.
 */
	.set	FROM, 0x100000
	.set	TO, 60 << 20
	.set	STEP, 256
	.set	FACTOR, 0x9e3779b1

	.code16
	.globl	_start
_start:
	cli
	xor	%ax, %ax
	mov	%ax, %ds
	lgdt	table
	mov	%cr0, %eax
	or	$1, %al
	mov	%eax, %cr0
	ljmp	$8, $protected

	.code32
protected:
	mov	$16, %ax
	mov	%ax, %ds
	mov	$FROM, %edi
1:	imul	$FACTOR, %edi, %eax
	mov	%eax, (%edi)
	add	$STEP, %edi
	cmp	$TO, %edi
	jb	1b

	mov	$FROM, %edi
2:	imul	$FACTOR, %edi, %eax
	cmp	%eax, (%edi)
	mov	$'B', %al
	jne	3f
	add	$STEP, %edi
	cmp	$TO, %edi
	jb	2b
	mov	$'G', %al
3:	out	%al, $0xe9
4:	hlt
	jmp	4b

	.balign	8
segments:
	.quad	0, 0x00cf9a000000ffff, 0x00cf92000000ffff
table:
	.word	. - segments - 1
	.long	segments

	.org	510
	.word	0xaa55
