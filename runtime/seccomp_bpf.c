/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a parsed seccomp profile to a classic BPF program.
 *
 * Theory of operation: a profile is a function from (ABI, number, arguments)
 * to an action. For each ABI the numbers 0..2^32-1 are cut into segments in
 * which all numbers have the same answer: either an action or a block that
 * looks at arguments. Neighbours with the same action are one segment, so a
 * profile that allows 300 of 450 calls has some 60 of them. The program is a
 * balanced binary search over the segments' borders (each step one "A >= k"),
 * then an argument block where there is one. Up to three single numbers that
 * interrupt a segment are tested by "A == k" at its end instead: a fifth less
 * code, which the kernel translates at each start of a container. An evaluation
 * costs about ten instructions, all of a kind that the kernel can foresee where
 * only the number matters, and compiling is linear in the names.
 *
 * Classic BPF jumps only forward and a conditional jump reaches 255
 * instructions. So the code is produced backwards: first the ends, then what
 * jumps to them, and a position is counted from the end. What is too far away
 * gets a nearer copy (of a return) or an unconditional jump, which reaches
 * everything. The array is reversed at the end.
 *
 * Two ABIs may share one value of seccomp_data.arch (x86_64 and x32, told
 * apart by a bit of the number); they are then parts of one search. Numbers
 * that belong to no listed ABI get the foreign action. The number -1 is what
 * a tracer stores to suppress a call; it counts as an unknown call of the
 * native ABI.
 *
 * When several rules of one call match, the strictest action answers, in the
 * kernel's own order of strictness; a rule without conditions replaces all
 * rules with conditions, as libseccomp does. Hostile profiles can only make
 * the program long: the kernel's limit of 4096 instructions is ours too.
 * All of this happens in the parent in plain memory; a crash leaves nothing.
 */
#include "runtime/seccomp_int.h"

#include <endian.h>
#include <errno.h>
#include <linux/bpf_common.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define JUMP_MAX 255  /* reach of a conditional jump */
#define RET_NEAR 160  /* a return this near is shared instead of copied */
#define RETS	 16   /* remembered returns */
#define LEAF_MAX 7    /* segments: three single numbers, tested one after the other */
#define DENSE	 4096 /* numbers this close together are sorted by counting */

/* Numbers from start up to the next segment's start. */
struct segment {
	uint32_t start;
	uint32_t action;
	const struct seccomp_ref
		*refs; /* not NULL: a block of conditional rules, action when none matches */
	size_t refs_n;
	bool is32;
};

struct emitter {
	const struct seccomp_profile *p;
	struct sock_filter *rev; /* the program, last instruction first */
	size_t n;
	bool full;
	struct {
		uint32_t action;
		size_t pos;
	} rets[RETS];
	size_t rets_n;
};

/* A position in rev: 0 is the last instruction of the program. */
static size_t emit(struct emitter *em, uint16_t code, uint32_t k, uint8_t jt, uint8_t jf)
{
	if (em->n >= BPF_MAXINSNS) {
		em->full = true;
		return em->n - 1;
	}
	em->rev[em->n] = (struct sock_filter){ .code = code, .jt = jt, .jf = jf, .k = k };
	return em->n++;
}

static size_t emit_ret(struct emitter *em, uint32_t action)
{
	size_t slot = em->rets_n;

	for (size_t i = 0; i < em->rets_n; i++) {
		if (em->rets[i].action != action)
			continue;
		if (em->n - em->rets[i].pos < RET_NEAR)
			return em->rets[i].pos;
		slot = i;
		break;
	}
	if (slot == RETS)
		slot = 0;
	else if (slot == em->rets_n)
		em->rets_n++;
	em->rets[slot].action = action;
	em->rets[slot].pos = emit(em, BPF_RET | BPF_K, action, 0, 0);
	return em->rets[slot].pos;
}

/* An instruction right here that does what the code at target does. */
static size_t emit_goto(struct emitter *em, size_t target)
{
	if (target < em->n && em->rev[target].code == (BPF_RET | BPF_K))
		return emit(em, BPF_RET | BPF_K, em->rev[target].k, 0, 0);
	return emit(em, BPF_JMP | BPF_JA, (uint32_t)(em->n - target - 1), 0, 0);
}

static size_t emit_jump(struct emitter *em, uint16_t op, uint32_t k, size_t yes, size_t no)
{
	if (yes == no)
		return yes;
	/* one less than the reach, because the second copy moves the first one away */
	if (em->n - no - 1 > JUMP_MAX - 1)
		no = emit_goto(em, no);
	if (em->n - yes - 1 > JUMP_MAX)
		yes = emit_goto(em, yes);
	return emit(em, BPF_JMP | op | BPF_K, k, (uint8_t)(em->n - yes - 1),
		    (uint8_t)(em->n - no - 1));
}

/* A load or mask that continues with the code at next. */
static size_t emit_before(struct emitter *em, uint16_t code, uint32_t k, size_t next)
{
	if (next != em->n - 1)
		(void)emit_goto(em,
				next); /* the position is the newest instruction by construction */
	return emit(em, code, k, 0, 0);
}

static uint32_t arg_offset(unsigned int arg, bool high)
{
	uint32_t at = (uint32_t)offsetof(struct seccomp_data, args) + 8u * arg;

	return high == (__BYTE_ORDER == __LITTLE_ENDIAN) ? at + 4 : at;
}

static size_t emit_equal_half(struct emitter *em, uint32_t offset, uint32_t mask, uint32_t value,
			      size_t yes, size_t no)
{
	size_t pos;

	if (mask == 0)
		return yes; /* value is masked too: nothing left to compare */
	pos = emit_jump(em, BPF_JEQ, value, yes, no);
	if (mask != UINT32_MAX)
		pos = emit_before(em, BPF_ALU | BPF_AND | BPF_K, mask, pos);
	return emit_before(em, BPF_LD | BPF_W | BPF_ABS, offset, pos);
}

/* The machine has 32 bits: a 64-bit argument is compared in halves. */
static size_t emit_cond(struct emitter *em, const struct seccomp_cond *c, bool is32, size_t yes,
			size_t no)
{
	uint32_t low = (uint32_t)c->value, high = (uint32_t)(c->value >> 32);
	size_t pos;

	if (c->negate) {
		size_t t = yes;

		yes = no;
		no = t;
	}
	if (c->test == SECCOMP_TEST_EQ) {
		pos = emit_equal_half(em, arg_offset(c->arg, false), (uint32_t)c->mask, low, yes,
				      no);
		if (!is32)
			pos = emit_equal_half(em, arg_offset(c->arg, true),
					      (uint32_t)(c->mask >> 32), high, pos, no);
		return pos;
	}
	pos = emit_jump(em, c->test == SECCOMP_TEST_GE ? BPF_JGE : BPF_JGT, low, yes, no);
	pos = emit_before(em, BPF_LD | BPF_W | BPF_ABS, arg_offset(c->arg, false), pos);
	if (is32)
		return pos;
	pos = emit_jump(em, BPF_JEQ, high, pos, no);
	pos = emit_jump(em, BPF_JGT, high, yes, pos);
	return emit_before(em, BPF_LD | BPF_W | BPF_ABS, arg_offset(c->arg, true), pos);
}

/* The kernel's order of strictness: the smaller, the stricter. */
static int32_t strictness(uint32_t action)
{
	return (int32_t)(action & SECCOMP_RET_ACTION_FULL);
}

/* Rules of one class of strictness after the other, the least strict first, because code grows backwards. */
static size_t emit_block(struct emitter *em, const struct segment *s)
{
	size_t pos = emit_ret(em, s->action);
	int64_t done = INT64_MAX;

	for (;;) {
		int64_t now = INT64_MIN;

		for (size_t i = 0; i < s->refs_n; i++) {
			int64_t v = strictness(em->p->rules[s->refs[i].rule].action);

			if (v < done && v > now)
				now = v;
		}
		if (now == INT64_MIN || em->full)
			return pos;
		for (size_t i = s->refs_n; i-- > 0;) {
			const struct seccomp_rule *r = &em->p->rules[s->refs[i].rule];
			size_t no = pos;

			if (strictness(r->action) != now)
				continue;
			pos = emit_ret(em, r->action);
			for (size_t k = r->cond_n; k-- > 0;)
				pos = emit_cond(em, &r->cond[k], s->is32, pos, no);
			if (em->full)
				return pos;
		}
		done = now;
	}
}

/* Segments that are one step of the search: a single one, or one that single numbers interrupt. */
struct leaf {
	const struct segment *s;
	size_t n;
};

static size_t emit_segment(struct emitter *em, const struct segment *s)
{
	return s->refs != NULL ? emit_block(em, s) : emit_ret(em, s->action);
}

/* The number is in A. Each second segment is a single number, the others share one action. */
static size_t emit_leaf(struct emitter *em, const struct leaf *l)
{
	size_t pos = emit_segment(em, l->s), single;

	for (size_t i = 1; i < l->n; i += 2) {
		single = emit_segment(em, &l->s[i]);
		pos = emit_jump(em, BPF_JEQ, l->s[i].start, single, pos);
	}
	return pos;
}

/* As many segments as make a leaf: an equality test takes the place of two steps of the search. */
static size_t leaf_length(const struct segment *s, size_t n)
{
	size_t len = 1;

	while (s->refs == NULL && len + 1 < n && len < LEAF_MAX &&
	       s[len + 1].start == s[len].start + 1 && s[len + 1].refs == NULL &&
	       s[len + 1].action == s->action)
		len += 2;
	return len;
}

/* Binary search over n >= 1 leaves; the number is in A. Depth is log2(leaves). */
static size_t emit_search(struct emitter *em, const struct leaf *l, size_t n)
{
	size_t half = n / 2, right, left;

	if (em->full)
		return 0;
	if (n == 1)
		return emit_leaf(em, l);
	right = emit_search(em, l + half, n - half);
	left = emit_search(em, l, half);
	return emit_jump(em, BPF_JGE, l[half].s->start, right, left);
}

static int compare_ref(const void *a, const void *b)
{
	const struct seccomp_ref *x = a, *y = b;

	if (x->nr != y->nr)
		return x->nr < y->nr ? -1 : 1;
	return x->rule < y->rule ? -1 : x->rule > y->rule;
}

/*
 * Sort the refs of every section by number, then by the order of the profile. They arrive in the latter,
 * and numbers of calls are small and dense, so they are counted; a few hundred refs cost microseconds.
 */
static int sort_refs(struct seccomp_section *sec)
{
	uint32_t min = UINT32_MAX, max = 0;
	struct seccomp_ref *sorted;
	uint32_t *at;

	for (size_t i = 0; i < sec->refs_n; i++) {
		min = sec->refs[i].nr < min ? sec->refs[i].nr : min;
		max = sec->refs[i].nr > max ? sec->refs[i].nr : max;
	}
	if (sec->refs_n < 2)
		return 0;
	if (max - min >= DENSE || sec->refs_n > UINT32_MAX / 2) {
		qsort(sec->refs, sec->refs_n, sizeof(sec->refs[0]), compare_ref);
		return 0;
	}
	at = calloc(max - min + 2, sizeof(*at));
	sorted = reallocarray(NULL, sec->refs_n, sizeof(*sorted));
	if (at == NULL || sorted == NULL) {
		free(at);
		free(sorted);
		return -ENOMEM;
	}
	for (size_t i = 0; i < sec->refs_n; i++)
		at[sec->refs[i].nr - min + 1]++;
	for (uint32_t k = 0; k <= max - min; k++)
		at[k + 1] += at[k];
	for (size_t i = 0; i < sec->refs_n; i++)
		sorted[at[sec->refs[i].nr - min]++] = sec->refs[i];
	free(at);
	free(sec->refs);
	sec->refs = sorted;
	sec->refs_cap = sec->refs_n;
	return 0;
}

struct segments {
	struct segment *v;
	size_t n;
};

/* v has room: at most two segments for each ref and four for each section. */
static void push(struct segments *out, struct segment s)
{
	struct segment *last = out->n > 0 ? &out->v[out->n - 1] : NULL;

	if (last != NULL && last->refs == NULL && s.refs == NULL && last->action == s.action)
		return;
	out->v[out->n++] = s;
}

static struct segment segment_of(const struct seccomp_profile *p, const struct seccomp_section *sec,
				 const struct seccomp_ref *refs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct seccomp_rule *r = &p->rules[refs[i].rule];

		if (r->cond_n == 0)
			return (struct segment){ .start = refs[0].nr, .action = r->action };
	}
	return (struct segment){ .start = refs[0].nr,
				 .action = p->default_action,
				 .refs = refs,
				 .refs_n = n,
				 .is32 = sec->arch->is32 };
}

static void push_section(const struct seccomp_profile *p, struct seccomp_section *sec,
			 struct segments *out)
{
	uint32_t at = sec->lo;

	for (size_t i = 0, n; i < sec->refs_n; i += n) {
		uint32_t nr = sec->refs[i].nr;

		for (n = 1; i + n < sec->refs_n && sec->refs[i + n].nr == nr; n++)
			continue;
		if (nr > at)
			push(out, (struct segment){ .start = at, .action = p->default_action });
		push(out, segment_of(p, sec, sec->refs + i, n));
		at = nr + 1; /* nr < hi, so this does not wrap */
	}
	if (!sec->has_last) {
		push(out, (struct segment){ .start = at, .action = p->default_action });
		return;
	}
	if (sec->last >= at)
		push(out, (struct segment){ .start = at, .action = p->default_action });
	if (sec->last < sec->hi)
		push(out, (struct segment){ .start = sec->last + 1, .action = p->beyond_action });
}

/* All sections that share first's seccomp_data.arch, in order of their numbers. */
static void segment_arch(struct seccomp_profile *p, size_t first, struct segments *out)
{
	uint32_t audit = p->sections[first].arch->audit;
	uint64_t at = 0;

	for (;;) {
		struct seccomp_section *next = NULL;

		for (size_t i = first; i < p->sections_n; i++) {
			struct seccomp_section *s = &p->sections[i];

			if (s->arch->audit == audit && s->lo >= at &&
			    (next == NULL || s->lo < next->lo))
				next = s;
		}
		if (next == NULL)
			break;
		if (next->lo > at)
			push(out, (struct segment){ .start = (uint32_t)at,
						    .action = p->foreign_action });
		push_section(p, next, out);
		at = (uint64_t)next->hi + 1;
	}
	if (at < UINT32_MAX)
		push(out, (struct segment){ .start = (uint32_t)at, .action = p->foreign_action });
	if (at <= UINT32_MAX)
		push(out, (struct segment){ .start = UINT32_MAX, .action = p->beyond_action });
}

static bool seen_before(const struct seccomp_profile *p, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (p->sections[k].arch->audit == p->sections[i].arch->audit)
			return true;
	return false;
}

static int emit_program(struct emitter *em, struct seccomp_profile *p, struct segment *room,
			struct leaf *leaves)
{
	size_t entry[SECCOMP_SECTIONS];
	size_t pos, n;

	for (size_t i = p->sections_n; i-- > 0;) {
		struct segments segs = { .v = room };

		if (seen_before(p, i))
			continue;
		segment_arch(p, i, &segs);
		n = 0;
		for (size_t k = 0; k < segs.n; k += leaves[n - 1].n) {
			leaves[n].s = &segs.v[k];
			leaves[n++].n = leaf_length(&segs.v[k], segs.n - k);
		}
		pos = emit_search(em, leaves, n);
		entry[i] = emit_before(em, BPF_LD | BPF_W | BPF_ABS,
				       offsetof(struct seccomp_data, nr), pos);
		if (em->full)
			return -E2BIG;
	}
	pos = emit_ret(em, p->foreign_action);
	for (size_t i = p->sections_n; i-- > 0;)
		if (!seen_before(p, i))
			pos = emit_jump(em, BPF_JEQ, p->sections[i].arch->audit, entry[i], pos);
	(void)emit_before(em, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch),
			  pos); /* the entry */
	return em->full ? -E2BIG : 0;
}

int seccomp_emit(struct seccomp_profile *p, struct sock_filter **ret, unsigned short *ret_len,
		 struct error *e)
{
	_cleanup_free_ struct sock_filter *rev = malloc(BPF_MAXINSNS * sizeof(*rev));
	_cleanup_free_ struct segment *room = NULL;
	_cleanup_free_ struct leaf *leaves = NULL;
	struct emitter em = { .p = p, .rev = rev };
	struct sock_filter *prog;
	size_t segs_max = 4;

	for (size_t i = 0; i < p->sections_n; i++) {
		if (sort_refs(&p->sections[i]) < 0)
			return error_set(e, -ENOMEM, "compiling linux.seccomp");
		segs_max += 2 * p->sections[i].refs_n + 4;
	}
	/* mostly never touched */
	room = reallocarray(NULL, segs_max, sizeof(*room));
	leaves = reallocarray(NULL, segs_max, sizeof(*leaves));
	if (rev == NULL || room == NULL || leaves == NULL)
		return error_set(e, -ENOMEM, "compiling linux.seccomp");
	if (emit_program(&em, p, room, leaves) < 0)
		return error_setf(
			e, -E2BIG,
			"linux.seccomp: the filter is longer than the kernel's %d instructions",
			BPF_MAXINSNS);
	prog = calloc(em.n, sizeof(*prog));
	if (prog == NULL)
		return error_set(e, -ENOMEM, "compiling linux.seccomp");
	for (size_t i = 0; i < em.n; i++)
		prog[i] = rev[em.n - 1 - i];
	*ret = prog;
	*ret_len = (unsigned short)em.n;
	return 0;
}
