"""The few statistics that a report needs."""
import statistics


def present(values):
    return [v for v in values if v is not None]


def median(values):
    values = present(values)
    return statistics.median(values) if values else None


def spread(values):
    """Least and most."""
    values = present(values)
    return (min(values), max(values)) if values else None


def ratios(ours, theirs):
    """One ratio for each round: what disturbed the machine in a round disturbed both."""
    return [a / b for a, b in zip(ours, theirs) if a is not None and b]


def ratio(ours, theirs):
    """The median of the rounds' ratios, or nothing when no round has both."""
    return median(ratios(ours, theirs))


def told(ratios, sign=""):
    """The median of the rounds' ratios, and how far they spread."""
    if not present(ratios):
        return ""
    least, most = (f"{end:.2f}" for end in spread(ratios))
    return f"{median(ratios):.2f}{sign}" + (f" ({least} to {most})" if least != most else "")


def percentile(values, part):
    """The value below which `part` of all are; the next one up when it falls between two."""
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * part))]
