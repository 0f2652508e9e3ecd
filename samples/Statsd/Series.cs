using System.Globalization;

namespace Statsd;

/// <summary>What was sent under one name: a counter, a gauge or times.</summary>
internal sealed class Series
{
    private readonly Lock _lock = new();
    private double _total;
    private double _largest;
    private double _count;
    private bool _hasTimes;

    /// <summary>False for a type that is not known.</summary>
    public bool TryAdd(ReadOnlySpan<byte> type, double value, bool isChange, double rate)
    {
        lock (_lock)
        {
            if (type.SequenceEqual("c"u8))
            {
                _total += value / rate;
            }
            else if (type.SequenceEqual("g"u8))
            {
                _total = isChange ? _total + value : value;
            }
            else if (type.SequenceEqual("ms"u8))
            {
                _hasTimes = true;
                _total += value / rate;
                _count += 1 / rate;
                _largest = Math.Max(_largest, value);
            }
            else
            {
                return false;
            }

            return true;
        }
    }

    public override string ToString()
    {
        lock (_lock)
        {
            return _hasTimes
                ? FormattableString.Invariant($"count {_count:0.##} mean {_total / _count:0.##} max {_largest:0.##}")
                : _total.ToString("0.##", CultureInfo.InvariantCulture);
        }
    }
}
