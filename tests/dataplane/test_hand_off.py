"""A pod ends behind a load balancer while a client goes on sending: a Seamless hand-off loses no request, and a
Lossy one loses some, for no longer than the range says.

The load balancer checks 15 times as fast as an ALB. Nobody here is a kubelet: the test ends each pod when its spec
says so.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from devcluster.dataplane.load_balancer import Settings
from devcluster.dataplane.pods import Pod
from devcluster.dataplane.traffic import LoadBalancer, Request, Stream, load_balancer
from devcluster.objects import wait_for
from etpguard.cli.input.sources import Sources, assess
from etpguard.foresight.changes import Drain
from etpguard.foresight.detection import Timing
from etpguard.foresight.hand_off import HandOff, Seam, hand_off
from etpguard.foresight.what_if import what_if
from etpguard.objects import Key
from etpguard.settings import Settings as EtpguardSettings
from tests.dataplane.alb import WEB
from tests.dataplane.prediction import report
from tests.dataplane.scene import Scene

pytestmark = pytest.mark.timing

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
        Ending(Seam.LOSSY, serves=4, grace=4, pre_stop_sleep=4, traffic_port=True),
        id="no sleep helps a check of the traffic port",
    ),
]


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

    def lost(self, node: str, balancer: LoadBalancer, stream: Stream) -> Sequence[Request]:
        """The requests that are lost when the pod of the node ends. Afterwards the node has a new one."""
        wait_for(lambda: set(_states(balancer).values()) == {"healthy"}, 60, "all targets to be healthy")
        began = time.time()
        self.scene.lab.pods.terminate(self.pods[node])
        time.sleep(self.ending.serves)
        self.scene.lab.pods.end(self.pods[node])
        wait_for(lambda: _states(balancer)[node] == "unhealthy", 60, "the target to be unhealthy")
        time.sleep(KNOWN_AFTER)
        lost = [request for request in stream.requests() if request.lost and request.sent >= began]
        self.pods[node] = self._pod(node)
        self.scene.lab.settle()
        return lost


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
            lost = made.lost(node, balancer, stream)
            lasted = lost[-1].sent - lost[0].sent if lost else 0.0
            figures.append(f"{len(lost)} lost in {lasted:.2f} s")
            if predicted.seconds is None:
                assert not lost, f"run {run}: {figures[-1]}, and it is {predicted.verdict.value}"
                continue
            least, most = predicted.seconds
            assert most is not None
            assert lost, f"run {run}: none was lost"
            assert least - SLACK <= lasted <= most + SLACK, f"run {run}: {figures[-1]}, not {least} to {most} s"
    with capsys.disabled():
        print(f"\n{scene.lab.mode}, {ending.expected.value}, predicted {predicted.seconds}: {'; '.join(figures)}")


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_end_of_a_pod(scene: Scene, ending: Ending, capsys: pytest.CaptureFixture[str]) -> None:
    play(scene, ending, SHORT, capsys)


@pytest.mark.soak
@pytest.mark.skipif("SOAK" not in os.environ, reason="the long run: make soak")
@pytest.mark.parametrize("ending", ENDINGS)
def test_the_end_of_many_pods(scene: Scene, ending: Ending, capsys: pytest.CaptureFixture[str]) -> None:
    play(scene, ending, LONG, capsys)
