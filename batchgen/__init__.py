"""batchgen: run prompt lists against RunComfy's Model API, resume after anything, never pay twice."""

__version__ = "0.1.0"
