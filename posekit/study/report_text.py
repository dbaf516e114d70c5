"""The report's longer texts."""

SPEED_AND_FORM = (
    "A weight that is not normalised also changes the size of the loss and so, with some optimisers "
    "and with weight decay, the speed of learning; the normalised form keeps the mean weight at 1, so "
    "that the two differ in where the loss looks and not in how much."
)

# Filled in by str.format: percent, resamples, seed, adjustment.
HOW_INTERVALS = (
    "People. The test people are drawn anew {resamples} times (numpy's default generator, seed "
    "{seed}), with replacement, the same people for every cell, people of one image together; runs of "
    "one loss are averaged. The interval over people holds the middle {percent} of the differences so "
    "obtained. It says how much the choice of test people matters for these very runs, and nothing "
    "about another training.",
    "Seeds. Where both losses have at least two seeds, the variance between runs is added to that "
    "over people: var = var(people) + sum over both losses of max(s² − e², 0) / n, where s² is the "
    "variance of the n runs' scores and e² the part of it that comes from the limited number of test "
    "people, which the bootstrap holds already. The interval is difference ± t · √var with the "
    "degrees of freedom of Welch and Satterthwaite. With three seeds t is large, and so is the "
    "interval: that is what three seeds can say.",
    "Single runs. A loss with one run, and what it is compared with, go by s² and e² of all losses that have "
    "several, pooled; the interval is then at least t · √(s² (1/n + 1/m)). Where every loss has one run, "
    "nothing is known of other seeds: the interval is over people only, and the verdict is “undecided”.",
    "Verdict. It goes by the wider of the two intervals and by the two-sided p-value of the headline "
    "score, adjusted after {adjustment} for all settings compared with plain MSE: “better” or “worse” "
    "needs seeds in the interval, and both to leave no difference out at the {percent} level. “Not "
    "distinguishable” does not mean equal: the interval says which differences remain possible.",
)
