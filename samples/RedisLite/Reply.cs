using System.Buffers;
using System.Buffers.Text;

namespace RedisLite;

/// <summary>Builds a connection's replies, one after another.</summary>
internal sealed class Reply
{
    private const int MaxKeptCapacity = 64 * 1024;

    private static readonly SearchValues<byte> _printable =
        SearchValues.Create([.. Enumerable.Range(' ', '~' - ' ' + 1).Select(static c => (byte)c)]);

    private ArrayBufferWriter<byte> _bytes = new(256);

    public ReadOnlySpan<byte> Written => _bytes.WrittenSpan;

    public void Clear()
    {
        if (_bytes.Capacity > MaxKeptCapacity)
        {
            _bytes = new ArrayBufferWriter<byte>(256);
        }

        _bytes.ResetWrittenCount();
    }

    public void Ok() => _bytes.Write("+OK\r\n"u8);

    public void Pong() => _bytes.Write("+PONG\r\n"u8);

    public void Null() => _bytes.Write("$-1\r\n"u8);

    public void Integer(long value) => Number((byte)':', value);

    public void String(ReadOnlySpan<byte> value)
    {
        Number((byte)'$', value.Length);
        var span = _bytes.GetSpan(value.Length + 2);
        value.CopyTo(span);
        "\r\n"u8.CopyTo(span[value.Length..]);
        _bytes.Advance(value.Length + 2);
    }

    public void Error(ReadOnlySpan<byte> message)
    {
        _bytes.Write("-"u8);
        _bytes.Write(message);
        _bytes.Write("\r\n"u8);
    }

    public void WrongNumberOfArguments(ReadOnlySpan<byte> command)
        => Error([.. "ERR wrong number of arguments for '"u8, .. command, .. "' command"u8]);

    // The name comes from the client. It must not look like the end of the reply.
    public void UnknownCommand(ReadOnlySpan<byte> name)
    {
        byte[] shown = name[..Math.Min(name.Length, 64)].ToArray();
        shown.AsSpan().ReplaceAnyExcept(_printable, (byte)'?');
        Error([.. "ERR unknown command '"u8, .. shown, .. "'"u8]);
    }

    private void Number(byte marker, long value)
    {
        var span = _bytes.GetSpan(24);
        span[0] = marker;
        Utf8Formatter.TryFormat(value, span[1..], out var digits);
        span[digits + 1] = (byte)'\r';
        span[digits + 2] = (byte)'\n';
        _bytes.Advance(digits + 3);
    }
}
