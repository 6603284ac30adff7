"""JSON to protobuf and back, by converters that are prepared per message type at start-up."""

from chassis.codec.decode import decoder
from chassis.codec.encode import encoder
from chassis.codec.refused import invalid_fields

__all__ = ["decoder", "encoder", "invalid_fields"]
