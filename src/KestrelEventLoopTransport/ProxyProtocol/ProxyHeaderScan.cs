using System.Buffers.Binary;

namespace KestrelEventLoopTransport.ProxyProtocol;

/// <summary>
/// Finds the end of a header in the first bytes of a connection. It decides at the first byte that cannot be right, so
/// that a wrong peer hears of it at once. Bytes behind the header are not looked at.
/// </summary>
internal static class ProxyHeaderScan
{
    /// <summary>
    /// Returns the length of the header; 0 when more bytes are needed to know it, or when there is a problem. The
    /// header itself may not be complete: version 2 says its length at the start.
    /// </summary>
    /// <param name="bytes">The first bytes of the connection, at least one.</param>
    /// <param name="versions">The versions that are allowed.</param>
    /// <param name="maxLength">The longest header of version 2.</param>
    /// <param name="problem">Why this is no header; null when it may be one.</param>
    internal static int Measure(
        ReadOnlySpan<byte> bytes, ProxyProtocolVersions versions, int maxLength, out ProxyHeaderProblem? problem)
    {
        problem = null;
        if (Begins(bytes, ProxyHeaderFormat.Signature1, out var isComplete))
        {
            return !isComplete ? 0
                : (versions & ProxyProtocolVersions.V1) == 0 ? Fail(out problem, NotAllowed(1))
                : MeasureLine(bytes, out problem);
        }

        if (Begins(bytes, ProxyHeaderFormat.Signature2, out isComplete))
        {
            return !isComplete ? 0
                : (versions & ProxyProtocolVersions.V2) == 0 ? Fail(out problem, NotAllowed(2))
                : MeasureBlock(bytes, maxLength, out problem);
        }

        var first = Convert.ToHexString(bytes[..Math.Min(bytes.Length, ProxyHeaderFormat.Signature2.Length)]);
        return Fail(
            out problem, new(ProxyProtocolFailure.NoHeader, $"Its first bytes are {first}, which begin no header."));
    }

    /// <summary>Whether the bytes are the beginning of a signature, or begin with all of it.</summary>
    private static bool Begins(ReadOnlySpan<byte> bytes, ReadOnlySpan<byte> signature, out bool isComplete)
    {
        var length = Math.Min(bytes.Length, signature.Length);
        isComplete = length == signature.Length;
        return bytes[..length].SequenceEqual(signature[..length]);
    }

    /// <summary>Version 1 ends with CR LF.</summary>
    private static int MeasureLine(ReadOnlySpan<byte> bytes, out ProxyHeaderProblem? problem)
    {
        problem = null;
        bytes = bytes[..Math.Min(bytes.Length, ProxyHeaderFormat.MaxLineLength)];
        var end = bytes.IndexOf("\r\n"u8);
        if (end >= 0)
        {
            return end + 2;
        }

        if (bytes.Length == ProxyHeaderFormat.MaxLineLength)
        {
            return Fail(out problem, ProxyHeaderProblem.Malformed("Its line has no CR LF in the first 107 bytes."));
        }

        // All of a line of the kind UNKNOWN is ignored up to CR LF.
        return bytes.Contains((byte)'\n') && !bytes.StartsWith("PROXY UNKNOWN"u8)
            ? Fail(out problem, ProxyHeaderProblem.Malformed("Its line ends without CR."))
            : 0;
    }

    private static int MeasureBlock(ReadOnlySpan<byte> bytes, int maxLength, out ProxyHeaderProblem? problem)
    {
        problem = FindProblem(bytes, maxLength);
        return problem is null && bytes.Length >= ProxyHeaderFormat.FixedLength
            ? ProxyHeaderFormat.FixedLength + LengthOf(bytes)
            : 0;
    }

    /// <summary>Looks at the fields of the fixed part that are there.</summary>
    private static ProxyHeaderProblem? FindProblem(ReadOnlySpan<byte> bytes, int maxLength)
    {
        if (bytes.Length <= ProxyHeaderFormat.VersionOffset)
        {
            return null;
        }

        var version = bytes[ProxyHeaderFormat.VersionOffset] >> 4;
        var command = bytes[ProxyHeaderFormat.VersionOffset] & 0xF;
        if (version != ProxyHeaderFormat.Version2)
        {
            return new(ProxyProtocolFailure.WrongVersion, $"Its version is {version}; binary headers have version 2.");
        }

        if (command > (int)ProxyProtocolCommand.Proxy)
        {
            return ProxyHeaderProblem.Malformed($"Its command is {command}; there are 0 and 1.");
        }

        var isProxy = command == (int)ProxyProtocolCommand.Proxy;
        if (isProxy && bytes.Length > ProxyHeaderFormat.FamilyOffset
            && FindProblem(bytes[ProxyHeaderFormat.FamilyOffset]) is { } problem)
        {
            return problem;
        }

        if (bytes.Length < ProxyHeaderFormat.FixedLength)
        {
            return null;
        }

        var total = ProxyHeaderFormat.FixedLength + LengthOf(bytes);
        if (total > maxLength)
        {
            return new(ProxyProtocolFailure.TooLong, $"It has {total} bytes; MaxHeaderLength is {maxLength}.");
        }

        var addresses = ProxyHeaderFormat.AddressLength(bytes[ProxyHeaderFormat.FamilyOffset] >> 4);
        return isProxy && LengthOf(bytes) < addresses
            ? ProxyHeaderProblem.Malformed($"Its length is {LengthOf(bytes)}; its addresses alone have {addresses}.")
            : null;
    }

    private static ProxyHeaderProblem? FindProblem(byte familyAndTransport)
    {
        var family = familyAndTransport >> 4;
        var transport = familyAndTransport & 0xF;
        var text = family > ProxyHeaderFormat.Unix ? $"Its address family {family} is unknown."
            : transport > ProxyHeaderFormat.Datagram ? $"Its transport {transport} is unknown."
            : transport == ProxyHeaderFormat.Datagram ? "It is about datagrams, not a stream."
            : null;
        return text is null ? null : ProxyHeaderProblem.Malformed(text);
    }

    private static int LengthOf(ReadOnlySpan<byte> bytes)
        => BinaryPrimitives.ReadUInt16BigEndian(bytes[ProxyHeaderFormat.LengthOffset..]);

    private static ProxyHeaderProblem NotAllowed(int version)
        => new(ProxyProtocolFailure.WrongVersion, $"It is of version {version}, which the endpoint does not take.");

    private static int Fail(out ProxyHeaderProblem? problem, ProxyHeaderProblem value)
    {
        problem = value;
        return 0;
    }
}
