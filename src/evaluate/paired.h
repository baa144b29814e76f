/*
 * Two runs on the same items: which of them is right more often, and whether chance would do as
 * much.
 */
#pragma once

#include "evaluate/bootstrap.h"

/**
 * VelmPaired: A and B on the same @n items.
 * @n, @n_groups: items, and the parts that they show
 * @accuracy_a, @accuracy_b: shares of right answers
 * @difference: @accuracy_b - @accuracy_a; over 0 where B is better
 * @difference_interval: of the difference, groups drawn anew; NaN of fewer than two groups
 * @only_a, @only_b: items that A alone, and B alone, has right
 * @groups_differ: groups in which one has more right than the other
 * @mcnemar_p: McNemar's test, two-sided and exact (binomial). It takes items for independent: too
 * small a p where groups hold several
 * @clustered_p: the same by groups, the one to go by. With d the difference in right answers of a
 * group, chance would give each d either sign. Where up to 20 groups differ, all signs are tried
 * (exact; of groups of one it is @mcnemar_p); where more do, (sum d)^2 / sum d^2 is held against
 * the chi-squared distribution with one degree of freedom (Yang, Sun and Hardin 2010; of groups of
 * one it is McNemar's statistic without continuity correction)
 *
 * Both p are 1 where A and B never differ, and all figures are NaN where there is no item.
 */
typedef struct {
  gsize n, n_groups;
  double accuracy_a, accuracy_b;
  double difference;
  VelmInterval difference_interval;
  gsize only_a, only_b;
  gsize groups_differ;
  double mcnemar_p, clustered_p;
} VelmPaired;

/**
 * Compares two runs.
 * @right_a, @right_b: @n values; 0 is a wrong answer
 * @groups: (nullable): as for velm_bootstrap()
 * @seed: of the draws behind the interval
 */
VelmPaired velm_paired_compare(const guint8 *right_a, const guint8 *right_b,
                               const char *const *groups, gsize n, guint32 seed);
