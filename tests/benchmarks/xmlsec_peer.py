"""Times xmlsec, in an interpreter that has it: python xmlsec_peer.py sign|verify FOLDER COUNT REPEATS.

FOLDER holds `unsigned.xml`, `signed.xml`, `key.pem` and `certificate.pem`. Prints microseconds of processor time for
one message, a line for each repeat. Nothing of the bench is imported.
"""

import sys
import time
from pathlib import Path

import xmlsec
from lxml import etree

work, folder, count, repeats = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
unsigned, signed = (folder / "unsigned.xml").read_bytes(), (folder / "signed.xml").read_bytes()
key = xmlsec.Key.from_file(str(folder / "key.pem"), xmlsec.constants.KeyDataFormatPem)
public = xmlsec.Key.from_file(str(folder / "certificate.pem"), xmlsec.constants.KeyDataFormatCertPem)


def sign() -> None:
    """Parse and sign, in the form of DUIS."""
    root = etree.fromstring(unsigned)
    signature = xmlsec.template.create(root, xmlsec.constants.TransformExclC14N, xmlsec.constants.TransformEcdsaSha256)
    root.append(signature)
    reference = xmlsec.template.add_reference(signature, xmlsec.constants.TransformSha256, uri="")
    xmlsec.template.add_transform(reference, xmlsec.constants.TransformEnveloped)
    context = xmlsec.SignatureContext()
    context.key = key
    context.sign(signature)
    etree.tostring(root)


def verify() -> None:
    """Parse and verify."""
    root = etree.fromstring(signed)
    context = xmlsec.SignatureContext()
    context.key = public
    context.verify(xmlsec.tree.find_node(root, xmlsec.constants.NodeSignature))


once = {"sign": sign, "verify": verify}[work]
once()
for _ in range(repeats):
    began_s = time.process_time()
    for _ in range(count):
        once()
    print((time.process_time() - began_s) / count * 1e6)
