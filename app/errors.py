"""Every error that the service raises on purpose, as one tree.

    AisleError
    ├── SettingsError             a setting of the service is unknown, mistyped or contradictory
    ├── RuntimeMissing            an optional dependency is not installed
    ├── DeviceUnavailable         there is no GPU that ONNX Runtime can use
    ├── BundleError               a bundle must not be served
    │   ├── BundleCorrupt         a file is missing or its checksum differs
    │   │   └── BundleMissing     there is none at all, or not yet
    │   ├── BundleSchema          written for another version of this code
    │   ├── GoldenMismatch        it answers otherwise than when it was made
    │   ├── BundleUnfit           it would not run on the device that it shall be served from
    │   └── BundleUnreadable      this machine cannot read it, or has no memory for it
    ├── ObjectStoreError          a store of objects, where bundles lie, cannot be reached, or refuses
    ├── StoreUnavailable          the store of user states cannot be reached, or refuses
    ├── NotReady                  the service waits for its first bundle
    └── RequestError              a request cannot be answered as it stands
        ├── InvalidRequest        a field is wrong
        │   └── InvalidCursor     a cursor that is none, or another request's
        │       └── CursorExpired its list is no longer kept
        ├── NotYet                a field of the contract that this version does not serve
        │   └── CallNotYet        a whole call of the contract that this version does not serve
        ├── ItemNotFound          no such item
        ├── UserNotFound          nothing is stored of that user
        ├── ModelNotFound         no such version
        ├── KeyMissing            the call needs a key, and has none that is valid
        ├── KeyForbidden          the key may not make this call
        ├── ForeignOrigin         a page of another address makes the call, and the service has no keys
        ├── ForeignHost           the call names another host than this machine, and the service has no keys
        ├── BodyTooLarge          the body is larger than this service accepts
        ├── BodyEncoded           the body is compressed
        ├── MalformedRequest      what arrived is not HTTP
        ├── TargetTooLong         the address of the call is too long
        ├── HeadTooLarge          headers, trailers or the framing of chunks are too large
        ├── RequestTimeout        the request did not arrive in time
        ├── BodyCrowdedOut        too many bodies arrive at once
        └── Overloaded            more is waiting than would be answered in time

Messages say what was expected, what was received, and what to do. One table in `app.api` holds their HTTP
status.
The errors of the offline job continue this tree in `offline.errors`.
"""

from typing import Final

_REASON_BEGIN: Final = 700  # characters of the reason of a refusal that are told
_REASON_END: Final = 300  # and of its end, where it says what to do


class AisleError(Exception):
    """The root: catch it to tell an intended refusal from a defect."""

    code = "internal_error"

    @property
    def message(self) -> str:
        """The text given when it was raised, with what is no text (bytes of a file's name, say) escaped."""
        text = str(self.args[0]) if self.args else self.code
        return text.encode("utf-8", "backslashreplace").decode()


class SettingsError(AisleError):
    """A setting of the service is unknown, mistyped or contradictory."""

    code = "invalid_settings"


class RuntimeMissing(AisleError):
    """An optional dependency is not installed."""

    code = "runtime_missing"


class DeviceUnavailable(AisleError):
    """There is no GPU that ONNX Runtime can use."""

    code = "device_unavailable"


class BundleError(AisleError):
    """A bundle must not be served; the reason is one line of bounded length, whatever its files say.

    Args:
        reason: what was expected, what there is, and what to do.
    """

    code = "bundle_refused"

    def __init__(self, reason: str) -> None:
        line = "; ".join(part.strip() for part in reason.splitlines())
        longest = _REASON_BEGIN + _REASON_END
        super().__init__(line if len(line) <= longest else f"{line[:_REASON_BEGIN]} … {line[-_REASON_END:]}")


class BundleCorrupt(BundleError):
    """A file of the bundle is missing or its checksum differs."""

    code = "bundle_corrupt"


class BundleMissing(BundleCorrupt):
    """There is no bundle in the folder, or not yet."""

    code = "bundle_missing"


class BundleSchema(BundleError):
    """The bundle was written for another version of this code."""

    code = "bundle_schema"


class GoldenMismatch(BundleError):
    """The bundle answers otherwise than when it was made."""

    code = "bundle_golden_mismatch"


class BundleUnfit(BundleError):
    """The bundle would not run on the device that it shall be served from."""

    code = "bundle_unfit"


class BundleUnreadable(BundleError):
    """This machine cannot read the bundle, or has no memory for it; the bundle itself may be whole."""

    code = "bundle_unreadable"


class ObjectStoreError(AisleError):
    """A store of objects does not do what is asked.

    Args:
        address: of the store or of an object in it, without credentials.
        kind: missing, denied, timeout, unsupported or failed.
    """

    code = "object_store_failed"

    def __init__(self, address: str, kind: str = "failed") -> None:
        super().__init__(f"{address}: {_OBJECT_TROUBLES[kind]}")
        self.kind = kind


_OBJECT_TROUBLES: Final = {
    "missing": "there is no such object, or no such bucket",
    "denied": "the store of objects refuses access: see that the standard variables of its credentials are set",
    "timeout": "the store of objects does not answer in time",
    "unsupported": "the store of objects cannot do this: files over HTTP are only read",
    "failed": "the store of objects cannot be reached, or fails",
}


class StoreUnavailable(AisleError):
    """The store of user states cannot be reached, does not answer in time, or refuses.

    The message says which in a word that may be shown and counted: never the foreign error's own text.
    """

    code = "store_unavailable"


class NotReady(AisleError):
    """The service has no bundle to answer from yet."""

    code = "not_ready"


class RequestError(AisleError):
    """A request cannot be answered as it stands."""

    code = "invalid_request"


class InvalidRequest(RequestError):
    """A field of the request is wrong."""

    code = "invalid_request"


class InvalidCursor(InvalidRequest):
    """A cursor that is none of ours, was changed, or belongs to another request."""

    code = "invalid_cursor"


class CursorExpired(InvalidCursor):
    """The list that a cursor goes on with is no longer kept."""

    code = "cursor_expired"


class NotYet(RequestError):
    """The request names a field of the contract that this version does not serve."""

    code = "not_yet"


class CallNotYet(NotYet):
    """The request makes a call of the contract that this version does not serve."""

    code = "not_yet"


class ItemNotFound(RequestError):
    """No item of that id is in the catalogue."""

    code = "item_not_found"


class UserNotFound(RequestError):
    """Nothing is stored of that user."""

    code = "user_not_found"


class ModelNotFound(RequestError):
    """No version of that name may be served."""

    code = "model_not_found"


class KeyMissing(RequestError):
    """The call needs a key, and has none that is valid."""

    code = "key_missing"


class KeyForbidden(RequestError):
    """The key is known, and may not make this call."""

    code = "key_forbidden"


class ForeignOrigin(RequestError):
    """A page of another address makes the call, and the service has no keys to tell who may."""

    code = "foreign_origin"


class ForeignHost(RequestError):
    """The call names another host than this machine, and the service has no keys to tell who may make it."""

    code = "foreign_host"


class BodyTooLarge(RequestError):
    """The body is larger than this service accepts."""

    code = "body_too_large"


class BodyEncoded(RequestError):
    """The body has a coding of its content, such as gzip, and is not decoded here."""

    code = "body_encoded"


class MalformedRequest(RequestError):
    """What arrived is not HTTP."""

    code = "malformed_request"


class TargetTooLong(RequestError):
    """The address of the call is too long."""

    code = "target_too_long"


class HeadTooLarge(RequestError):
    """The headers of the request are too large or too many, or its trailers or the framing of its chunks are."""

    code = "head_too_large"


class RequestTimeout(RequestError):
    """The head or the body of the request did not arrive in time."""

    code = "request_timeout"


class BodyCrowdedOut(RequestError):
    """More requests arrive or wait at once than there is memory for, and this connection held most of them."""

    code = "body_crowded_out"


class Overloaded(RequestError):
    """More is waiting than would be answered in time."""

    code = "overloaded"
