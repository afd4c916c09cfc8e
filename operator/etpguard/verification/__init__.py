"""Compares what etpguard predicts for one Service with what a client or a load balancer sees. Pure.

`predictions` says what to try, `judgement` compares one answer with it, and `conclusion` sums up. `target_health`
reads a load balancer's own view, and `judged_targets` compares it with the prediction for its health check.
"""

from etpguard.verification.conclusion import Conclusion, conclude
from etpguard.verification.judgement import (
    Answer,
    Connection,
    HealthAnswer,
    Judged,
    Verdict,
    Viewpoint,
    judge_connection,
)
from etpguard.verification.predictions import Prediction, Predictions, predict

__all__ = [
    "Answer",
    "Conclusion",
    "Connection",
    "HealthAnswer",
    "Judged",
    "Prediction",
    "Predictions",
    "Verdict",
    "Viewpoint",
    "conclude",
    "judge_connection",
    "predict",
]
