"""Who is told of events: a JSONL file, an MQTT broker, a webhook; each fed by a thread of its own from the outbox."""

from rheostat.share.node.sinks.names import open_sink
from rheostat.share.node.sinks.worker import Later, Refused, Sink, SinkWorker, Told

__all__ = ["Later", "Refused", "Sink", "SinkWorker", "Told", "open_sink"]
