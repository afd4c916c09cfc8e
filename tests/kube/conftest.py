"""A server that answers lists as a test says, and a connection to it."""

from tests.kube.list_server import connection as connection
from tests.kube.list_server import server as server
