"""The fields of CloudTrail records: one entry each, in the order they are listed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from scap_formats.types import ParamType
from scaptools.plugins.cloudtrail import rules
from scaptools.plugins.cloudtrail.rules import flag, text, whole
from scaptools.plugins.contract import ArgumentRule, PluginField
from scaptools.plugins.jsontext.marks import in_string, in_value

if TYPE_CHECKING:
    from collections.abc import Callable

    from scaptools.plugins.cloudtrail.rules import Rule
    from scaptools.plugins.contract import Marks

_HIDDEN: Final = frozenset({"hidden"})
_CONVERSATION: Final = frozenset({"conversation"})
_INFO: Final = frozenset({"info"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One field: what it is called, how it is computed, what it means.

    ``at_index`` makes the rule for a field that is used with an index. ``marks`` is as in `PluginField`.
    """

    name: str
    rule: Rule
    about: str
    properties: frozenset[str] = frozenset()
    type: ParamType = ParamType.CHARBUF
    at_index: Callable[[int], Rule] | None = None
    is_list: bool = False
    marks: Marks | None = None

    def declared(self) -> PluginField:
        """The field as the plugin contract has it."""
        argument = ArgumentRule.OPTIONAL_INDEX if self.at_index else ArgumentRule.NONE
        return PluginField(self.name, self.type, self.about, argument, self.is_list, self.properties, self.marks)


def _text(name: str, path: str, about: str, properties: frozenset[str] = frozenset()) -> Entry:
    return Entry(name, text(path), about, properties, marks=in_string)


def _whole(name: str, path: str, about: str) -> Entry:
    return Entry(name, whole(path), about, marks=in_value)


def _number(name: str, rule: Rule, about: str, properties: frozenset[str] = _HIDDEN) -> Entry:
    return Entry(name, rule, about, properties, ParamType.UINT64)


_REQUEST: Final = "requestParameters"
_RESPONSE: Final = "responseElements"

ENTRIES: Final = (
    _text("ct.id", "eventID", "Unique identifier AWS gave the event"),
    _text("ct.error", "errorCode", "Error code of the service, missing where the request succeeded"),
    _text("ct.errormessage", "errorMessage", "What went wrong, in the words of the service"),
    _text("ct.time", "eventTime", "Time of the event as text, as the log has it", _HIDDEN),
    _text("ct.src", "eventSource", "Service that handled the request, such as s3.amazonaws.com"),
    Entry(
        "ct.shortsrc", rules.short_source, "Service that handled the request, without .amazonaws.com", marks=in_string
    ),
    _text("ct.name", "eventName", "Name of the API call or of the event"),
    Entry(
        "ct.user",
        rules.user,
        "User behind the event; the role's name for an assumed role",
        _CONVERSATION,
        marks=in_string,
    ),
    Entry(
        "ct.originaluser",
        rules.original_user,
        "User behind the event; the session's name for an assumed role",
        marks=in_string,
    ),
    Entry(
        "ct.user.accountid",
        rules.account,
        "Account of the user, or the account that received the event",
        marks=in_string,
    ),
    _text("ct.user.identitytype", "userIdentity.type", "Kind of identity: Root, IAMUser, AssumedRole and so on"),
    _text("ct.user.principalid", "userIdentity.principalId", "Unique identifier of the user or role session"),
    _text("ct.user.arn", "userIdentity.arn", "Amazon resource name of the user or role session"),
    _text("ct.region", "awsRegion", "Region the request was made to"),
    _text("ct.response.subnetid", f"{_RESPONSE}.subnetId", "Subnet named in the response"),
    _text("ct.response.reservationid", f"{_RESPONSE}.reservationId", "Reservation named in the response"),
    _whole("ct.response", _RESPONSE, "All response elements, as JSON"),
    _text("ct.request.availabilityzone", f"{_REQUEST}.availabilityZone", "Availability zone asked for"),
    _text("ct.request.cluster", f"{_REQUEST}.cluster", "Cluster the request is about"),
    _text("ct.request.functionname", f"{_REQUEST}.functionName", "Function the request is about"),
    _text("ct.request.groupname", f"{_REQUEST}.groupName", "Group the request is about"),
    _text("ct.request.host", f"{_REQUEST}.Host", "Host the request was sent to"),
    _text("ct.request.name", f"{_REQUEST}.name", "Name of what the request is about"),
    _text("ct.request.policy", f"{_REQUEST}.policy", "Policy in the request"),
    _text("ct.request.reason", f"{_REQUEST}.reason", "Reason given in the request"),
    _text("ct.request.target", f"{_REQUEST}.target", "Target of the request"),
    Entry("ct.request.documentname", rules.never, "Reserved for the document of a request; never has a value"),
    _text("ct.request.serialnumber", f"{_REQUEST}.serialNumber", "Serial number of the device in the request"),
    _text("ct.request.servicename", f"{_REQUEST}.serviceName", "Service the request is about"),
    _text("ct.request.subnetid", f"{_REQUEST}.subnetId", "Subnet asked for"),
    _text("ct.request.taskdefinition", f"{_REQUEST}.taskDefinition", "Task definition in the request"),
    _text("ct.request.username", f"{_REQUEST}.userName", "User the request is about"),
    _whole("ct.request", _REQUEST, "All request parameters, as JSON"),
    _text("ct.srcip", "sourceIPAddress", "Address the request came from, or the service's name", _CONVERSATION),
    _text("ct.useragent", "userAgent", "Program that made the request"),
    Entry("ct.info", rules.info, "Summary of the event: who did what from where, and whether it worked", _INFO),
    Entry("ct.managementevent", flag("managementEvent"), "true for a management event, false for any other"),
    Entry("ct.readonly", flag("readOnly"), "true if the event changed nothing, false if it may have"),
    _text("ct.requestid", "requestID", "Identifier the service gave the request"),
    _text("ct.eventtype", "eventType", "Kind of event, such as AwsApiCall or AwsConsoleSignIn"),
    _text("ct.apiversion", "apiVersion", "Version of the API that was called"),
    Entry(
        "ct.resources", rules.resources, "Resources the event touched: JSON objects joined by commas", marks=in_value
    ),
    _text("ct.recipientaccountid", "recipientAccountId", "Account that received the event"),
    _text("ct.serviceeventdetails", "serviceEventDetails", "Details of a service event, where they are a text"),
    _text("ct.sharedeventid", "sharedEventID", "Identifier shared by the copies sent to several accounts"),
    _text("ct.vpcendpointid", "vpcEndpointId", "VPC endpoint the request went through"),
    _text("ct.eventcategory", "eventCategory", "Category of the event: Management, Data and so on"),
    _text("ct.addendum.reason", "addendum.reason", "Why the event is late or was sent again"),
    _text("ct.addendum.updatedfields", "addendum.updatedFields", "Record fields that an addendum changed"),
    _text("ct.addendum.originalrequestid", "addendum.originalRequestID", "Request identifier before the addendum"),
    _text("ct.addendum.originaleventid", "addendum.originalEventID", "Event identifier before the addendum"),
    Entry(
        "ct.sessioncredentialfromconsole",
        flag("sessionCredentialFromConsole"),
        "true if the record says, as a JSON truth value, that the credentials came from a console session",
    ),
    _text("ct.edgedevicedetails", "edgeDeviceDetails", "Details of an edge device, where they are a text"),
    _text("ct.tlsdetails.tlsversion", "tlsDetails.tlsVersion", "TLS version of the connection"),
    _text("ct.tlsdetails.ciphersuite", "tlsDetails.cipherSuite", "TLS cipher suite of the connection"),
    _text(
        "ct.tlsdetails.clientprovidedhostheader",
        "tlsDetails.clientProvidedHostHeader",
        "Host name the client asked for",
    ),
    _whole("ct.additionaleventdata", "additionalEventData", "Data beside request and response, as JSON"),
    Entry("s3.uri", rules.object_uri, "Address of the object, s3://BUCKET/KEY", _CONVERSATION),
    _text("s3.bucket", f"{_REQUEST}.bucketName", "Bucket the request is about", _CONVERSATION),
    _text("s3.key", f"{_REQUEST}.key", "Key of the object the request is about"),
    _number("s3.bytes", rules.transferred, "Bytes uploaded and downloaded", frozenset()),
    _number("s3.bytes.in", rules.uploaded, "Bytes uploaded"),
    _number("s3.bytes.out", rules.downloaded, "Bytes downloaded"),
    _number("s3.cnt.get", rules.count_of(b"GetObject"), "1 for a download of an object"),
    _number("s3.cnt.put", rules.count_of(b"PutObject"), "1 for an upload of an object"),
    _number("s3.cnt.other", rules.count_other, "1 for an event that is neither of the two"),
    Entry("ec2.name", rules.instance_name, "Name tag of the instances asked for"),
    Entry(
        "ec2.imageid",
        rules.first_image_id,
        "Image of the first instance; use ec2.imageids for all of them",
        marks=in_string,
    ),
    Entry(
        "ec2.imageids",
        rules.image_ids,
        "Images of the instances, or the one of the instance with the given index",
        at_index=rules.image_id_at,
        is_list=True,
    ),
    _text("ecr.repository", f"{_REQUEST}.repositoryName", "Container repository the request is about"),
    _text("ecr.imagetag", f"{_REQUEST}.imageTag", "Tag of the container image in the request"),
    _text("iam.role", f"{_REQUEST}.roleName", "Role the request is about"),
    _text("iam.policy", f"{_REQUEST}.policyName", "Name of the policy the request is about"),
)
