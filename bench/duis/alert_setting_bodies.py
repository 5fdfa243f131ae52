"""6.22 Configure Alert Behaviour: which alerts a device sends, logs and sounds.

A parameter is the alert code after an x: `{"electricity_supplier_alerts": {"x8183": "Enable"}}`. By default nothing
of a supplier's alerts is changed.
"""

from __future__ import annotations

from bench.duis import values as v
from bench.duis.body_parts import Body
from bench.duis.shapes import Choice, Group, Leaf

_ON_OR_OFF = v.one_of("Disable", "Enable")
SUPPLIER_ESME = (
    "810D 810E 8119 8145 8154 8155 8161 8162 8168 8183 81A0 81A1 81A2 81A3 81A4 81A5 81A6 81A7 81A8 81A9 81AA 81AB "
    "81AC 81AD 81AE 81AF 81B0 81B1 81B2 81B3 81B8 81B9 81BA 81BB 81BC 81BD 81BE 81C0 81C1 81C4 81C5 81C6"
)
_SUPPLIER_ESME_POLY_PHASE = "81B7"
OPERATOR_ESME = "8014 8015"
OPERATOR_SINGLE_PHASE = "8002 8006 8020 8024 8028 802C 8085 8089 808D 8091 8095 8099 8010"
_OPERATOR_POLY_PHASE = (
    "8003 8004 8005 8007 8008 8009 8021 8022 8023 8025 8026 8027 8029 802A 802B 802D 802E 802F 8086 8087 8088 808A "
    "808B 808C 808E 808F 8090 8092 8093 8094 8096 8097 8098 809A 809B 809C 8011 8016 8013"
)
_SUPPLIER_GSME = (
    "810D 810E 8119 8145 8154 8155 8168 8183 8184 81A1 81A4 81A5 81A6 81A7 81A8 81A9 81AA 81AB 81AC 81AD 81AE 81AF "
    "81B0 81B1 81B2 81B3 81B4 81B5 81B6 81B9 81BA 81BC 81BD 81BE 81BF 81C0 81C2 81C3 81C4 81C5"
)
SUPPLIER_GSME_EVENTS = (
    "810D 810E 8119 8145 8154 8155 8161 8162 8168 8183 8184 81A0 81A1 81A4 81A5 81A6 81A7 81A8 81A9 81AA 81AB 81AC "
    "81AD 81AE 81AF 81B0 81B1 81B2 81B3 81B4 81B5 81B6 81B9 81BA 81BC 81BD 81BE 81BF 81C0 81C2 81C3 81C4 81C5 81C6"
)


def _settings(codes: str) -> tuple[Leaf, ...]:
    return tuple(Leaf(f"x{code}", _ON_OR_OFF, required=False) for code in codes.split())


def _supplier(tag: str) -> Group:
    return Group(
        tag,
        (
            Group("SupplierESMECommon", _settings(SUPPLIER_ESME), required=False),
            Group("SupplierESMEPolyPhase", _settings(_SUPPLIER_ESME_POLY_PHASE), required=False),
        ),
        nests=True,
    )


def _operator(tag: str) -> Group:
    return Group(
        tag,
        (
            Group("NetworkOperatorESMECommon", _settings(OPERATOR_ESME), required=False),
            Choice(
                (
                    (Group("NetworkOperatorESMESinglePhase", _settings(OPERATOR_SINGLE_PHASE), required=False),),
                    (Group("NetworkOperatorESMEPolyPhase", _settings(_OPERATOR_POLY_PHASE), required=False),),
                )
            ),
        ),
        nests=True,
    )


_WAYS = tuple(Leaf(way, _ON_OR_OFF, default="Enable") for way in ("WANAlert", "HANAlert", "EventLog", "Alarm"))
_EVENTS = tuple(Group(f"x{code}", _WAYS, required=False, nests=True) for code in SUPPLIER_GSME_EVENTS.split())

BODIES: dict[str, Body] = {
    "6.22": Body(
        (
            Choice(
                (
                    (_supplier("ElectricitySupplierAlerts"),),
                    (_supplier("ElectricitySupplierHANAlertSettings"),),
                    (_supplier("ElectricitySupplierAlarmSettings"),),
                    (_supplier("ElectricitySupplierLoggingSettings"),),
                    (_operator("ElectricityNetworkOperatorAlerts"),),
                    (_operator("ElectricityNetworkOperatorLoggingSettings"),),
                    (Group("GasSupplierAlerts", _settings(_SUPPLIER_GSME), nests=True),),
                    (Group("GasSupplierAlertEventSettings", _EVENTS, nests=True),),
                ),
                default={"electricity_supplier_alerts": {}},
            ),
        ),
        gas={"gas_supplier_alerts": {}},
    )
}
"""Bodies by Service Reference Variant."""
