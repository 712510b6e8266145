"""Where a run goes on, and by whom."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """CPUs are None where nothing is pinned."""

    server_cpus: frozenset[int] | None
    generator_cpus: tuple[int | None, ...]
    """one for each process of the generator"""
    by_locust: bool = False
    """whether Locust's workers start them"""
    locust_listens: str | None = None
    """where Locust's master waits for workers of other machines, HOST:PORT; None: they are on this one"""

    @property
    def processes(self) -> int:
        return len(self.generator_cpus)

    @property
    def described(self) -> str:
        """The generator, in words."""
        count = "1 process" if self.processes == 1 else f"{self.processes} processes"
        return f"the same code, {count}{', conducted by Locust' if self.by_locust else ''}"

    @property
    def used(self) -> frozenset[int] | None:
        pinned = frozenset(cpu for cpu in self.generator_cpus if cpu is not None)
        return None if self.server_cpus is None else self.server_cpus | pinned
