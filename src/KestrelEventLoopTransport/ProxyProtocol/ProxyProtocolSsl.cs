using System.Buffers.Binary;
using System.Text;
using KestrelEventLoopTransport.ProxyProtocol;

namespace KestrelEventLoopTransport;

/// <summary>
/// The TLS connection between the client and the proxy, as the proxy describes it (section 2.2.6 of the specification).
/// </summary>
public sealed class ProxyProtocolSsl
{
    // The client's flags and the result of the verification.
    private const int FixedLength = 5;

    private const byte VersionType = 0x21;
    private const byte CommonNameType = 0x22;
    private const byte CipherType = 0x23;
    private const byte SignatureAlgorithmType = 0x24;
    private const byte KeyAlgorithmType = 0x25;

    private readonly ReadOnlyMemory<byte> _fields;

    private ProxyProtocolSsl(ReadOnlyMemory<byte> value)
    {
        Client = (ProxyProtocolSslClient)value.Span[0];
        VerifyResult = BinaryPrimitives.ReadUInt32BigEndian(value.Span[1..]);
        _fields = value[FixedLength..];
    }

    /// <summary>What the client has shown.</summary>
    public ProxyProtocolSslClient Client { get; }

    /// <summary>
    /// The result of the verification of the client's certificate; 0 is success. Look at
    /// <see cref="IsClientCertificateVerified"/> instead: some proxies send 0 without a certificate.
    /// </summary>
    public uint VerifyResult { get; }

    /// <summary>Whether the client has presented a certificate and the proxy has verified it.</summary>
    public bool IsClientCertificateVerified
        => VerifyResult == 0 && (Client
            & (ProxyProtocolSslClient.CertificateOnConnection | ProxyProtocolSslClient.CertificateInSession)) != 0;

    /// <summary>The version of TLS, such as <c>TLSv1.3</c>; <see langword="null"/> if the proxy does not say.</summary>
    public string? Version => Text(VersionType);

    /// <summary>
    /// The common name of the client's certificate; <see langword="null"/> if the proxy does not say. It means
    /// something only if <see cref="IsClientCertificateVerified"/> is true.
    /// </summary>
    public string? CommonName => Text(CommonNameType);

    /// <summary>The cipher, in OpenSSL's words; <see langword="null"/> if the proxy does not say.</summary>
    public string? Cipher => Text(CipherType);

    /// <summary>
    /// The algorithm that the proxy's certificate is signed with, such as <c>RSA-SHA256</c>; <see langword="null"/> if
    /// the proxy does not say.
    /// </summary>
    public string? SignatureAlgorithm => Text(SignatureAlgorithmType);

    /// <summary>
    /// The key of the proxy's certificate, such as <c>RSA2048</c>; <see langword="null"/> if the proxy does not say.
    /// </summary>
    public string? KeyAlgorithm => Text(KeyAlgorithmType);

    /// <summary>Whether a value has its fixed part, and fields that end where it ends.</summary>
    internal static bool IsValid(ReadOnlySpan<byte> value)
    {
        if (value.Length < FixedLength)
        {
            return false;
        }

        var fields = new TlvReader(value[FixedLength..]);
        while (fields.TryRead(out _, out _))
        {
        }

        return fields.IsAtEnd;
    }

    /// <summary>Null when the value is not valid.</summary>
    internal static ProxyProtocolSsl? From(ReadOnlyMemory<byte> value)
        => IsValid(value.Span) ? new ProxyProtocolSsl(value) : null;

    private string? Text(byte type)
    {
        var fields = new TlvReader(_fields.Span);
        while (fields.TryRead(out var found, out var value))
        {
            if (found == type)
            {
                return Encoding.UTF8.GetString(value);
            }
        }

        return null;
    }
}
