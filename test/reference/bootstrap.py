"""Bootstrap intervals and Cohen's kappa by scipy and scikit-learn, for server/base/statistics/statistics.test.ts:

    python3 test/reference/bootstrap.py > test/data/bootstrap.json      (numpy, scipy, scikit-learn)
"""

import json
import random

import numpy as np
from scipy.stats import bootstrap, norm
from sklearn.metrics import cohen_kappa_score

rng = random.Random(5)
SAMPLES = {
    "skewed": [round(rng.expovariate(0.5), 4) for _ in range(25)],
    "flips": [float(rng.random() < 0.3) for _ in range(60)],
    "differences": [round(rng.gauss(0.1, 0.4), 4) for _ in range(40)],
}
intervals = []
for name, sample in SAMPLES.items():
    for method in ("BCa", "percentile"):
        for statistic in ("mean", "median"):
            if name == "flips" and statistic == "median":
                continue
            found = bootstrap((np.array(sample),), getattr(np, statistic), n_resamples=200_000, method=method,
                              rng=np.random.default_rng(1), batch=10_000).confidence_interval
            intervals.append(dict(name=name, sample=sample, method=method.lower(), statistic=statistic,
                                  low=float(found.low), high=float(found.high)))
labels = ["urt", "oit", "urt_oit", "none"]
one = [rng.choice(labels) for _ in range(80)]
other = [label if rng.random() < 0.6 else rng.choice(labels) for label in one]
pair = (np.array(SAMPLES["skewed"]), np.array(SAMPLES["differences"]))
found = bootstrap(pair, lambda a, b, axis: a.mean(axis) - b.mean(axis), n_resamples=200_000, method="percentile",
                  rng=np.random.default_rng(1), batch=10_000).confidence_interval
print(json.dumps(dict(
    intervals=intervals,
    difference=dict(first="skewed", second="differences", low=float(found.low), high=float(found.high)),
    kappa=dict(pairs=list(zip(one, other)), kappa=cohen_kappa_score(one, other)),
    normal=[dict(z=z, probability=float(norm.cdf(z))) for z in (-6, -3.1, -1, -0.2, 0, 0.5, 1.959964, 4, 6)],
)))
