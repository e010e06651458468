"""What latency depends on: networks measured beside each other, set beside what was published, and chosen from."""

from .cases import STUDIES, Case
from .choice import Choice, candidates, choose
from .run import cases_of, run_studies
from .trial import Trial, read_trials

__all__ = ["STUDIES", "Case", "Choice", "Trial", "candidates", "cases_of", "choose", "read_trials", "run_studies"]
