import java.io.ByteArrayInputStream;
import java.lang.management.ManagementFactory;
import java.io.ByteArrayOutputStream;
import java.nio.file.*;
import java.security.*;
import java.security.spec.*;
import java.util.*;
import javax.xml.crypto.dsig.*;
import javax.xml.crypto.dsig.dom.*;
import javax.xml.crypto.dsig.spec.*;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.transform.TransformerFactory;
import javax.xml.transform.dom.DOMSource;
import javax.xml.transform.stream.StreamResult;
import org.w3c.dom.*;

/** Times the Java platform's XML signatures: java JavaPeer.java sign|verify FOLDER COUNT REPEATS; a line for each repeat. */
public class JavaPeer {
    static Document parse(byte[] text) throws Exception {
        DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
        factory.setNamespaceAware(true);
        return factory.newDocumentBuilder().parse(new ByteArrayInputStream(text));
    }

    public static void main(String[] arguments) throws Exception {
        boolean signs = arguments[0].equals("sign");
        Path folder = Paths.get(arguments[1]);
        int count = Integer.parseInt(arguments[2]), repeats = Integer.parseInt(arguments[3]);
        byte[] unsigned = Files.readAllBytes(folder.resolve("unsigned.xml"));
        byte[] signed = Files.readAllBytes(folder.resolve("signed.xml"));
        KeyFactory keys = KeyFactory.getInstance("EC");
        PublicKey open = keys.generatePublic(new X509EncodedKeySpec(Files.readAllBytes(folder.resolve("public.der"))));
        PrivateKey own = keys.generatePrivate(new PKCS8EncodedKeySpec(Files.readAllBytes(folder.resolve("private.der"))));
        XMLSignatureFactory xml = XMLSignatureFactory.getInstance("DOM");
        // The first rounds are for the compiler: they are not printed.
        for (int repeat = -3; repeat < repeats; repeat++) {
            long began = ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
            for (int number = 0; number < count; number++) {
                if (signs) {
                    Document document = parse(unsigned);
                    Reference reference = xml.newReference("", xml.newDigestMethod(DigestMethod.SHA256, null),
                        List.of(xml.newTransform(Transform.ENVELOPED, (TransformParameterSpec) null)), null, null);
                    SignedInfo info = xml.newSignedInfo(
                        xml.newCanonicalizationMethod(CanonicalizationMethod.EXCLUSIVE, (C14NMethodParameterSpec) null),
                        xml.newSignatureMethod("http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256", null),
                        List.of(reference));
                    xml.newXMLSignature(info, null).sign(new DOMSignContext(own, document.getDocumentElement()));
                    TransformerFactory.newInstance().newTransformer()
                        .transform(new DOMSource(document), new StreamResult(new ByteArrayOutputStream()));
                } else {
                    Node node = parse(signed).getElementsByTagNameNS(XMLSignature.XMLNS, "Signature").item(0);
                    DOMValidateContext context = new DOMValidateContext(open, node);
                    if (!xml.unmarshalXMLSignature(context).validate(context)) throw new Exception("it is not valid");
                }
            }
            long took = ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime() - began;
            if (repeat >= 0) System.out.println(took / 1e3 / count);
        }
    }
}
