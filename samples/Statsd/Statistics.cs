using System.Buffers.Text;
using System.Collections.Concurrent;
using System.Globalization;
using System.Text;

namespace Statsd;

/// <summary>
/// Adds up what clients send: lines of <c>name:value|type</c>, and <c>|@rate</c> if they send a sample.
/// </summary>
internal sealed class Statistics
{
    // Names come from the network. Beyond that, new ones are not counted.
    private const int MaxNames = 10_000;
    private const int MaxName = 200;

    private readonly ConcurrentDictionary<string, Series> _series = new();
    private long _refused;

    /// <summary>Adds the lines of a datagram.</summary>
    public void Add(ReadOnlySpan<byte> lines)
    {
        foreach (var range in lines.Split((byte)'\n'))
        {
            if (!lines[range].IsEmpty && !TryAdd(lines[range]))
            {
                Interlocked.Increment(ref _refused);
            }
        }
    }

    /// <summary>A line for each name, in their order.</summary>
    public override string ToString()
    {
        var text = new StringBuilder();
        foreach (var (name, series) in _series.OrderBy(static pair => pair.Key, StringComparer.Ordinal))
        {
            text.Append(name).Append(' ').Append(series).Append('\n');
        }

        text.Append(CultureInfo.InvariantCulture, $"statsd.refused {Interlocked.Read(ref _refused)}\n");
        return text.ToString();
    }

    private bool TryAdd(ReadOnlySpan<byte> line)
    {
        var colon = line.IndexOf((byte)':');
        if (colon is < 1 or > MaxName)
        {
            return false;
        }

        var rest = line[(colon + 1)..];
        var bar = rest.IndexOf((byte)'|');
        if (bar < 1 || !TryParse(rest[..bar], out var value))
        {
            return false;
        }

        var isChange = rest[0] is (byte)'+' or (byte)'-';
        rest = rest[(bar + 1)..];
        var rate = 1.0;
        if (rest.IndexOf("|@"u8) is >= 0 and var at)
        {
            if (!TryParse(rest[(at + 2)..], out rate) || rate is not (> 0 and <= 1))
            {
                return false;
            }

            rest = rest[..at];
        }

        return Find(line[..colon])?.TryAdd(rest, value, isChange, rate) ?? false;
    }

    /// <summary>Costs nothing for a name that is known.</summary>
    private Series? Find(ReadOnlySpan<byte> bytes)
    {
        Span<char> name = stackalloc char[MaxName];
        name = name[..Encoding.Latin1.GetChars(bytes, name)];
        var known = _series.GetAlternateLookup<ReadOnlySpan<char>>();
        return known.TryGetValue(name, out var series) ? series
            : _series.Count >= MaxNames ? null
            : _series.GetOrAdd(name.ToString(), static _ => new Series());
    }

    private static bool TryParse(ReadOnlySpan<byte> text, out double value)
    {
        text = text.StartsWith("+"u8) ? text[1..] : text;
        return Utf8Parser.TryParse(text, out value, out var read) && read == text.Length && double.IsFinite(value);
    }
}
