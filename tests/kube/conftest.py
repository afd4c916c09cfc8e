"""A server that answers lists as a test says, and a server with a certificate that is replaced."""

from tests.kube.list_server import connection as connection
from tests.kube.list_server import server as server
from tests.kube.rotation import front as front
from tests.kube.rotation import rotation as rotation
