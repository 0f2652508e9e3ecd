namespace RedisLite;

/// <summary>The header of an array or a string: a marker, a number and CR LF.</summary>
internal static class RespHeader
{
    /// <summary>Returns the header's length; 0 if it is incomplete, -1 if the bytes are not a header.</summary>
    public static int Read(ReadOnlySpan<byte> bytes, byte marker, out long value)
    {
        value = 0;
        if (bytes.IsEmpty)
        {
            return 0;
        }

        if (bytes[0] != marker)
        {
            return -1;
        }

        var isNegative = bytes.Length > 1 && bytes[1] == '-';
        var first = isNegative ? 2 : 1;
        for (var i = first; i < bytes.Length && i < 20; i++)
        {
            var digit = bytes[i] - '0';
            if ((uint)digit <= 9)
            {
                value = value * 10 + digit;
            }
            else if (bytes[i] != '\r' || i == first)
            {
                return -1;
            }
            else if (i + 1 == bytes.Length)
            {
                return 0;
            }
            else
            {
                value = isNegative ? -value : value;
                return bytes[i + 1] == '\n' ? i + 2 : -1;
            }
        }

        return bytes.Length < 20 ? 0 : -1;
    }
}
