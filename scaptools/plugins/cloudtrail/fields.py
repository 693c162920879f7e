"""The fields of CloudTrail records: one entry each, in the order they are listed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from scap_formats.types import ParamType
from scaptools.plugins.cloudtrail import rules
from scaptools.plugins.cloudtrail.rules import flag, text, whole
from scaptools.plugins.contract import ArgumentRule, PluginField

if TYPE_CHECKING:
    from collections.abc import Callable

    from scaptools.plugins.cloudtrail.rules import Rule

_HIDDEN: Final = frozenset({"hidden"})
_CONVERSATION: Final = frozenset({"conversation"})
_INFO: Final = frozenset({"info"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One field: what it is called, how it is computed, what it means.

    ``at_index`` makes the rule for a field that is used with an index.
    """

    name: str
    rule: Rule
    about: str
    properties: frozenset[str] = frozenset()
    type: ParamType = ParamType.CHARBUF
    at_index: Callable[[int], Rule] | None = None
    is_list: bool = False

    def declared(self) -> PluginField:
        """The field as the plugin contract has it."""
        argument = ArgumentRule.OPTIONAL_INDEX if self.at_index else ArgumentRule.NONE
        return PluginField(self.name, self.type, self.about, argument, self.is_list, self.properties)


def _number(name: str, rule: Rule, about: str, properties: frozenset[str] = _HIDDEN) -> Entry:
    return Entry(name, rule, about, properties, ParamType.UINT64)


_REQUEST: Final = "requestParameters"
_RESPONSE: Final = "responseElements"

ENTRIES: Final = (
    Entry("ct.id", text("eventID"), "Unique identifier AWS gave the event"),
    Entry("ct.error", text("errorCode"), "Error code of the service, missing where the request succeeded"),
    Entry("ct.errormessage", text("errorMessage"), "What went wrong, in the words of the service"),
    Entry("ct.time", text("eventTime"), "Time of the event as text, as the log has it", _HIDDEN),
    Entry("ct.src", text("eventSource"), "Service that handled the request, such as s3.amazonaws.com"),
    Entry("ct.shortsrc", rules.short_source, "Service that handled the request, without .amazonaws.com"),
    Entry("ct.name", text("eventName"), "Name of the API call or of the event"),
    Entry("ct.user", rules.user, "User behind the event; the role's name for an assumed role", _CONVERSATION),
    Entry("ct.originaluser", rules.original_user, "User behind the event; the session's name for an assumed role"),
    Entry("ct.user.accountid", rules.account, "Account of the user, or the account that received the event"),
    Entry("ct.user.identitytype", text("userIdentity.type"), "Kind of identity: Root, IAMUser, AssumedRole and so on"),
    Entry("ct.user.principalid", text("userIdentity.principalId"), "Unique identifier of the user or role session"),
    Entry("ct.user.arn", text("userIdentity.arn"), "Amazon resource name of the user or role session"),
    Entry("ct.region", text("awsRegion"), "Region the request was made to"),
    Entry("ct.response.subnetid", text(f"{_RESPONSE}.subnetId"), "Subnet named in the response"),
    Entry("ct.response.reservationid", text(f"{_RESPONSE}.reservationId"), "Reservation named in the response"),
    Entry("ct.response", whole(_RESPONSE), "All response elements, as JSON"),
    Entry("ct.request.availabilityzone", text(f"{_REQUEST}.availabilityZone"), "Availability zone asked for"),
    Entry("ct.request.cluster", text(f"{_REQUEST}.cluster"), "Cluster the request is about"),
    Entry("ct.request.functionname", text(f"{_REQUEST}.functionName"), "Function the request is about"),
    Entry("ct.request.groupname", text(f"{_REQUEST}.groupName"), "Group the request is about"),
    Entry("ct.request.host", text(f"{_REQUEST}.Host"), "Host the request was sent to"),
    Entry("ct.request.name", text(f"{_REQUEST}.name"), "Name of what the request is about"),
    Entry("ct.request.policy", text(f"{_REQUEST}.policy"), "Policy in the request"),
    Entry("ct.request.reason", text(f"{_REQUEST}.reason"), "Reason given in the request"),
    Entry("ct.request.target", text(f"{_REQUEST}.target"), "Target of the request"),
    Entry("ct.request.documentname", rules.never, "Reserved for the document of a request; never has a value"),
    Entry("ct.request.serialnumber", text(f"{_REQUEST}.serialNumber"), "Serial number of the device in the request"),
    Entry("ct.request.servicename", text(f"{_REQUEST}.serviceName"), "Service the request is about"),
    Entry("ct.request.subnetid", text(f"{_REQUEST}.subnetId"), "Subnet asked for"),
    Entry("ct.request.taskdefinition", text(f"{_REQUEST}.taskDefinition"), "Task definition in the request"),
    Entry("ct.request.username", text(f"{_REQUEST}.userName"), "User the request is about"),
    Entry("ct.request", whole(_REQUEST), "All request parameters, as JSON"),
    Entry("ct.srcip", text("sourceIPAddress"), "Address the request came from, or the service's name", _CONVERSATION),
    Entry("ct.useragent", text("userAgent"), "Program that made the request"),
    Entry("ct.info", rules.info, "Summary of the event: who did what from where, and whether it worked", _INFO),
    Entry("ct.managementevent", flag("managementEvent"), "true for a management event, false for any other"),
    Entry("ct.readonly", flag("readOnly"), "true if the event changed nothing, false if it may have"),
    Entry("ct.requestid", text("requestID"), "Identifier the service gave the request"),
    Entry("ct.eventtype", text("eventType"), "Kind of event, such as AwsApiCall or AwsConsoleSignIn"),
    Entry("ct.apiversion", text("apiVersion"), "Version of the API that was called"),
    Entry("ct.resources", rules.resources, "Resources the event touched: JSON objects joined by commas"),
    Entry("ct.recipientaccountid", text("recipientAccountId"), "Account that received the event"),
    Entry("ct.serviceeventdetails", text("serviceEventDetails"), "Details of a service event, where they are a text"),
    Entry("ct.sharedeventid", text("sharedEventID"), "Identifier shared by the copies sent to several accounts"),
    Entry("ct.vpcendpointid", text("vpcEndpointId"), "VPC endpoint the request went through"),
    Entry("ct.eventcategory", text("eventCategory"), "Category of the event: Management, Data and so on"),
    Entry("ct.addendum.reason", text("addendum.reason"), "Why the event is late or was sent again"),
    Entry("ct.addendum.updatedfields", text("addendum.updatedFields"), "Record fields that an addendum changed"),
    Entry(
        "ct.addendum.originalrequestid", text("addendum.originalRequestID"), "Request identifier before the addendum"
    ),
    Entry("ct.addendum.originaleventid", text("addendum.originalEventID"), "Event identifier before the addendum"),
    Entry(
        "ct.sessioncredentialfromconsole",
        flag("sessionCredentialFromConsole"),
        "true if the record says, as a JSON truth value, that the credentials came from a console session",
    ),
    Entry("ct.edgedevicedetails", text("edgeDeviceDetails"), "Details of an edge device, where they are a text"),
    Entry("ct.tlsdetails.tlsversion", text("tlsDetails.tlsVersion"), "TLS version of the connection"),
    Entry("ct.tlsdetails.ciphersuite", text("tlsDetails.cipherSuite"), "TLS cipher suite of the connection"),
    Entry(
        "ct.tlsdetails.clientprovidedhostheader",
        text("tlsDetails.clientProvidedHostHeader"),
        "Host name the client asked for",
    ),
    Entry("ct.additionaleventdata", whole("additionalEventData"), "Data beside request and response, as JSON"),
    Entry("s3.uri", rules.object_uri, "Address of the object, s3://BUCKET/KEY", _CONVERSATION),
    Entry("s3.bucket", text(f"{_REQUEST}.bucketName"), "Bucket the request is about", _CONVERSATION),
    Entry("s3.key", text(f"{_REQUEST}.key"), "Key of the object the request is about"),
    _number("s3.bytes", rules.transferred, "Bytes uploaded and downloaded", frozenset()),
    _number("s3.bytes.in", rules.uploaded, "Bytes uploaded"),
    _number("s3.bytes.out", rules.downloaded, "Bytes downloaded"),
    _number("s3.cnt.get", rules.count_of(b"GetObject"), "1 for a download of an object"),
    _number("s3.cnt.put", rules.count_of(b"PutObject"), "1 for an upload of an object"),
    _number("s3.cnt.other", rules.count_other, "1 for an event that is neither of the two"),
    Entry("ec2.name", rules.instance_name, "Name tag of the instances asked for"),
    Entry("ec2.imageid", rules.first_image_id, "Image of the first instance; use ec2.imageids for all of them"),
    Entry(
        "ec2.imageids",
        rules.image_ids,
        "Images of the instances, or the one of the instance with the given index",
        at_index=rules.image_id_at,
        is_list=True,
    ),
    Entry("ecr.repository", text(f"{_REQUEST}.repositoryName"), "Container repository the request is about"),
    Entry("ecr.imagetag", text(f"{_REQUEST}.imageTag"), "Tag of the container image in the request"),
    Entry("iam.role", text(f"{_REQUEST}.roleName"), "Role the request is about"),
    Entry("iam.policy", text(f"{_REQUEST}.policyName"), "Name of the policy the request is about"),
)
