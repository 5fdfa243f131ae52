import java.nio.file.*;
import java.security.*;
import java.security.spec.*;
import java.util.*;
import java.math.BigInteger;
import javax.xml.crypto.*;
import javax.xml.crypto.dsig.*;
import javax.xml.crypto.dsig.dom.*;
import javax.xml.crypto.dsig.keyinfo.*;
import javax.xml.crypto.dsig.spec.*;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.transform.*;
import javax.xml.transform.dom.DOMSource;
import javax.xml.transform.stream.StreamResult;
import org.w3c.dom.*;

/** Verifies every FOLDER/*.signed, and signs every FOLDER/*.unsigned as *.java, with the Java platform's XML signatures. */
public class OtherSigner {
    static final String DS = XMLSignature.XMLNS;

    static Document read(Path file) throws Exception {
        DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
        factory.setNamespaceAware(true);
        return factory.newDocumentBuilder().parse(file.toFile());
    }

    public static void main(String[] arguments) throws Exception {
        Path folder = Paths.get(arguments[0]);
        KeyFactory keys = KeyFactory.getInstance("EC");
        PublicKey open = keys.generatePublic(new X509EncodedKeySpec(Files.readAllBytes(folder.resolve("public.der"))));
        PrivateKey secret = keys.generatePrivate(new PKCS8EncodedKeySpec(Files.readAllBytes(folder.resolve("private.der"))));
        XMLSignatureFactory xml = XMLSignatureFactory.getInstance("DOM");
        List<Path> files = new ArrayList<>();
        try (DirectoryStream<Path> found = Files.newDirectoryStream(folder, "*.{signed,unsigned}")) {
            found.forEach(files::add);
        }
        Collections.sort(files);
        for (Path file : files) {
            Document document = read(file);
            String name = file.getFileName().toString();
            if (name.endsWith(".signed")) {
                Node node = document.getElementsByTagNameNS(DS, "Signature").item(0);
                DOMValidateContext context = new DOMValidateContext(open, node);
                System.out.println(name + " " + xml.unmarshalXMLSignature(context).validate(context));
            } else {
                Reference reference = xml.newReference("", xml.newDigestMethod(DigestMethod.SHA256, null),
                    List.of(xml.newTransform(Transform.ENVELOPED, (TransformParameterSpec) null)), null, null);
                SignedInfo info = xml.newSignedInfo(
                    xml.newCanonicalizationMethod(CanonicalizationMethod.EXCLUSIVE, (C14NMethodParameterSpec) null),
                    xml.newSignatureMethod("http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256", null),
                    List.of(reference));
                KeyInfoFactory infos = xml.getKeyInfoFactory();
                X509IssuerSerial serial = infos.newX509IssuerSerial(arguments[1], new BigInteger(arguments[2]));
                KeyInfo keyInfo = infos.newKeyInfo(List.of(infos.newX509Data(List.of(serial))));
                DOMSignContext context = new DOMSignContext(secret, document.getDocumentElement());
                context.setDefaultNamespacePrefix("ds");
                xml.newXMLSignature(info, keyInfo).sign(context);
                Path out = folder.resolve(name.replace(".unsigned", ".java"));
                TransformerFactory.newInstance().newTransformer()
                    .transform(new DOMSource(document), new StreamResult(out.toFile()));
            }
        }
    }
}
