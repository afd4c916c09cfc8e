"""A pod ends behind a load balancer while a client goes on sending: a Seamless hand-off loses no request, and a
Lossy one loses some, for no longer than the range says.

The load balancer checks 15 times as fast as an ALB. Nobody here is a kubelet: the test ends each pod when its spec
says so. On a busy machine the load balancer and the client are behind their time: the test measures by how much.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import pytest

from devcluster.dataplane.load_balancer import Settings
from devcluster.dataplane.pods import Pod
from devcluster.dataplane.traffic import LoadBalancer, Stream, load_balancer
from devcluster.objects import wait_for
from etpguard.cli.input.sources import Sources, assess
from etpguard.foresight.changes import Drain
from etpguard.foresight.detection import Timing
from etpguard.foresight.pod_ending.hand_off import HandOff, Seam, hand_off
from etpguard.foresight.what_if import what_if
from etpguard.objects import Key
from etpguard.settings import Settings as EtpguardSettings
from tests.dataplane.alb import WEB
from tests.dataplane.prediction import report
from tests.dataplane.scene import Scene

SHORT, LONG = 1, 10
"""Runs in each of the two proxy modes."""

LAB = Settings(interval=1.0, timeout=0.5, connect_timeout=0.9)
"""A request waits for less than a second: TCP would send its SYN again then, and later rules might answer it."""
TIMING = Timing.of(LAB.interval, LAB.timeout, LAB.unhealthy_threshold, LAB.healthy_threshold, settings="the lab's")
SPACING = 0.05
SLACK = 0.5
"""Seconds between two requests to one node, and what the processes of a busy machine wait for one another."""
KNOWN_AFTER = LAB.connect_timeout + 0.5
"""Seconds after which it is known of a request whether it was lost."""

_AWS = "service.beta.kubernetes.io/aws-load-balancer-"
_CLASS = "service.k8s.aws/nlb"


@dataclass(frozen=True)
class Ending:
    """`serves`: for how many seconds after its deletion the pod really serves. `traffic_port`: whether the health
    check goes there instead of to the healthCheckNodePort."""

    expected: Seam
    serves: int
    grace: int
    pre_stop_sleep: int = 0
    traffic_port: bool = False


ENDINGS = [
    pytest.param(Ending(Seam.SEAMLESS, serves=4, grace=4, pre_stop_sleep=4), id="it sleeps long enough"),
    pytest.param(Ending(Seam.LOSSY, serves=0, grace=1), id="it ends at once"),
    pytest.param(
        Ending(Seam.LOSSY, serves=2, grace=2, pre_stop_sleep=2, traffic_port=True),
        id="no sleep helps a check of the traffic port",
    ),
]


class Loss(NamedTuple):
    """When the requests were sent that were lost, and by how many seconds load balancer and client were behind."""

    sent: Sequence[float]
    behind: float

    @property
    def lasted(self) -> float:
        return self.sent[-1] - self.sent[0] if self.sent else 0.0


class Play:
    """A Service of a Network Load Balancer with a pod on each node."""

    def __init__(self, scene: Scene, ending: Ending) -> None:
        self.scene = scene
        self.ending = ending
        scene.service(**WEB, type="LoadBalancer", loadBalancerClass=_CLASS)
        annotations = {f"{_AWS}nlb-target-type": "instance"}
        if ending.traffic_port:
            annotations |= {f"{_AWS}healthcheck-port": "traffic-port", f"{_AWS}healthcheck-protocol": "HTTP"}
        scene.patch_service("web", {"metadata": {"annotations": annotations}})
        address = {"loadBalancer": {"ingress": [{"hostname": "web.elb.eu-west-1.amazonaws.com"}]}}
        scene.patch_service("web", {"status": address}, status=True)
        self.pods = {node: self._pod(node) for node in scene.lab.nodes.running}
        scene.lab.settle()

    def _pod(self, node: str) -> Pod:
        ending = self.ending
        return self.scene.pod(f"on-{node}", node, grace=ending.grace, pre_stop_sleep=ending.pre_stop_sleep)

    def predicted(self, node: str) -> HandOff:
        """What `what-if` says of the drain of the node, with the timing of the lab's load balancer."""
        settings = EtpguardSettings(kubeconfig=str(self.scene.lab.cluster.kubeconfig))
        assessed = assess(Sources(settings=settings, for_what_if=True))
        forecast = what_if(assessed.loaded.picture, assessed.engine, [Drain((node,), force=True)])
        (phases,) = [each for each in forecast.services if each.service == Key(self.scene.namespace, "web")]
        assert phases.hand_off is not None
        (end,) = phases.hand_off.ends
        assert end.nodes == (node,)
        assert end.window is not None
        return hand_off(end.consumer, TIMING, end.window, forwards_to_terminating=True)

    @contextmanager
    def traffic(self) -> Iterator[tuple[LoadBalancer, Stream]]:
        lab = self.scene.lab
        given = report(lab.cluster)
        with (
            load_balancer(lab, given, self.scene.namespace, "web", settings=LAB) as balancer,
            balancer.stream(SPACING) as stream,
        ):
            yield balancer, stream

    def loss(self, node: str, balancer: LoadBalancer, stream: Stream) -> Loss:
        """What is lost when the pod of the node ends. Afterwards the node has a new one."""
        wait_for(lambda: set(_states(balancer).values()) == {"healthy"}, 60, "all targets to be healthy")
        began, checks = time.time(), balancer.checks(node)
        self.scene.lab.pods.terminate(self.pods[node])
        time.sleep(self.ending.serves)
        wait_for(lambda: _checked(balancer.checks(node) - checks) >= self.ending.serves, 60, "the health checks")
        ended, checks = time.time(), balancer.checks(node)
        self.scene.lab.pods.end(self.pods[node])
        wait_for(lambda: _states(balancer)[node] == "unhealthy", 60, "the target to be unhealthy")
        behind = time.time() - ended - _checked(balancer.checks(node) - checks)
        time.sleep(KNOWN_AFTER)
        sent = [request.sent for request in stream.requests() if request.sent >= began]
        behind = max(0.0, behind) + max(later - earlier for earlier, later in pairwise(sent)) - SPACING
        lost = [request.sent for request in stream.requests() if request.lost and request.sent >= began]
        self.pods[node] = self._pod(node)
        self.scene.lab.settle()
        return Loss(lost, max(0.0, behind))


def _checked(checks: int) -> float:
    """Seconds that so many checks of the load balancer take at most, if it is not behind its time."""
    return (checks + 1) * LAB.interval


def _states(balancer: LoadBalancer) -> dict[str, str]:
    return {node: state for node, (state, _) in balancer.targets().items()}


def play(scene: Scene, ending: Ending, runs: int, capsys: pytest.CaptureFixture[str]) -> None:
    made = Play(scene, ending)
    nodes = sorted(made.pods)
    figures = []
    with made.traffic() as (balancer, stream):
        for run in range(runs):
            node = nodes[run % len(nodes)]
            predicted = made.predicted(node)
            assert predicted.verdict is ending.expected, predicted.because
            loss = made.loss(node, balancer, stream)
            figures.append(f"{len(loss.sent)} lost in {loss.lasted:.2f} s, {loss.behind:.2f} s behind")
            if predicted.seconds is None:
                assert not loss.sent, f"run {run}: {figures[-1]}, and it is {predicted.verdict.value}"
                continue
            least, most = predicted.seconds
            assert most is not None
            assert loss.sent, f"run {run}: none was lost"
            slack = SLACK + loss.behind
            assert least - slack <= loss.lasted <= most + slack, (
                f"run {run}: {figures[-1]}, not {least} to {most} s"
            )
    with capsys.disabled():
        print(f"\n{scene.lab.mode}, {ending.expected.value}, predicted {predicted.seconds}: {'; '.join(figures)}")


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_end_of_a_pod(scene: Scene, ending: Ending, capsys: pytest.CaptureFixture[str]) -> None:
    play(scene, ending, SHORT, capsys)


@pytest.mark.soak
@pytest.mark.parametrize("ending", ENDINGS)
def test_the_end_of_many_pods(scene: Scene, ending: Ending, capsys: pytest.CaptureFixture[str]) -> None:
    play(scene, ending, LONG, capsys)
