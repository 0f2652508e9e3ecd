using System.Buffers;
using System.Buffers.Binary;
using System.Net;
using System.Text;

namespace KestrelEventLoopTransport.Tests.ProxyProtocol;

/// <summary>Headers byte by byte, made without the code under test.</summary>
internal static class HeaderBytes
{
    /// <summary>What a header names in most tests.</summary>
    public static readonly IPEndPoint Client = new(IPAddress.Parse("203.0.113.7"), 41000);

    public static readonly IPEndPoint Server = new(IPAddress.Parse("192.0.2.1"), 443);

    public static ReadOnlySpan<byte> Signature => [0x0D, 0x0A, 0x0D, 0x0A, 0, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A];

    /// <summary>Version 1 for <see cref="Client"/>.</summary>
    public static byte[] Line => Encoding.ASCII.GetBytes("PROXY TCP4 203.0.113.7 192.0.2.1 41000 443\r\n");

    /// <summary>Version 2 for <see cref="Client"/>, with fields behind the addresses.</summary>
    public static byte[] Block(params byte[][] fields)
        => Version2(0x21, 0x11, [.. Convert.FromHexString("CB007107C0000201A02801BB"), .. fields.SelectMany(f => f)]);

    /// <summary>Version 2 as given; the length follows from the rest.</summary>
    public static byte[] Version2(byte versionAndCommand, byte family, byte[] rest)
    {
        var length = new byte[2];
        BinaryPrimitives.WriteUInt16BigEndian(length, (ushort)rest.Length);
        return [.. Signature, versionAndCommand, family, .. length, .. rest];
    }

    public static byte[] Field(byte type, params byte[] value) => Field(type, value.Length, value);

    /// <summary>A field that says a length of its own.</summary>
    public static byte[] Field(byte type, int length, byte[] value)
        => [type, (byte)(length >> 8), (byte)length, .. value];

    public static byte[] Field(byte type, string text) => Field(type, Encoding.UTF8.GetBytes(text));

    public static byte[] Written(ProxyProtocolHeader header)
    {
        var writer = new ArrayBufferWriter<byte>();
        header.WriteTo(writer);
        return writer.WrittenSpan.ToArray();
    }
}
