namespace RedisLite;

/// <summary>Reads the words of a command one after another, without copying them.</summary>
internal ref struct Command
{
    private ReadOnlySpan<byte> _rest;
    private readonly bool _isLine;

    public Command(ReadOnlySpan<byte> frame)
    {
        _isLine = frame[0] != (byte)'*';
        _rest = _isLine ? frame : frame[RespHeader.Read(frame, (byte)'*', out _)..];
    }

    public bool TryRead(out ReadOnlySpan<byte> word)
    {
        if (_isLine)
        {
            return TryReadFromLine(out word);
        }

        if (_rest.IsEmpty)
        {
            word = default;
            return false;
        }

        var start = RespHeader.Read(_rest, (byte)'$', out var length);
        word = _rest.Slice(start, (int)length);
        _rest = _rest[(start + (int)length + 2)..];
        return true;
    }

    private bool TryReadFromLine(out ReadOnlySpan<byte> word)
    {
        _rest = _rest.TrimStart(" \r\n"u8);
        var end = _rest.IndexOfAny((byte)' ', (byte)'\r', (byte)'\n');
        word = end < 0 ? _rest : _rest[..end];
        _rest = _rest[word.Length..];
        return !word.IsEmpty;
    }
}
