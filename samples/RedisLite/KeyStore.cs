using System.Buffers.Text;
using System.Globalization;
using System.Text;

namespace RedisLite;

/// <summary>All keys, behind one lock, because the commands of many connections run on many threads.</summary>
internal sealed class KeyStore
{
    private readonly Lock _lock = new();
    private readonly Dictionary<byte[], Entry> _entries = new(KeyComparer.Instance);
    private readonly Dictionary<byte[], Entry>.AlternateLookup<ReadOnlySpan<byte>> _byKey;

    public KeyStore() => _byKey = _entries.GetAlternateLookup<ReadOnlySpan<byte>>();

    public byte[]? Get(ReadOnlySpan<byte> key)
    {
        lock (_lock)
        {
            return TryGet(key, out var entry) ? entry.Value : null;
        }
    }

    /// <param name="key">The key.</param>
    /// <param name="value">Copied.</param>
    /// <param name="lifetime">In milliseconds. Null: no limit.</param>
    public void Set(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, long? lifetime)
    {
        var entry = new Entry(value.ToArray(), lifetime is { } left ? Now() + left : long.MaxValue);
        lock (_lock)
        {
            _byKey[key] = entry;
        }
    }

    public bool Delete(ReadOnlySpan<byte> key)
    {
        lock (_lock)
        {
            return TryGet(key, out _) && _byKey.Remove(key);
        }
    }

    /// <summary>Adds 1. Returns false if the value is not a number, or the result would be too large.</summary>
    public bool TryIncrement(ReadOnlySpan<byte> key, out long number)
    {
        number = 0;
        lock (_lock)
        {
            if (TryGet(key, out var entry)
                && (!Utf8Parser.TryParse(entry.Value, out number, out var read)
                    || read != entry.Value.Length
                    || number == long.MaxValue))
            {
                return false;
            }

            number++;
            var value = Encoding.ASCII.GetBytes(number.ToString(CultureInfo.InvariantCulture));
            _byKey[key] = new Entry(value, entry.Value is null ? long.MaxValue : entry.Expires);
            return true;
        }
    }

    private static long Now() => Environment.TickCount64;

    private bool TryGet(ReadOnlySpan<byte> key, out Entry entry)
    {
        if (!_byKey.TryGetValue(key, out entry))
        {
            return false;
        }

        if (entry.Expires == long.MaxValue || entry.Expires > Now())
        {
            return true;
        }

        _byKey.Remove(key);
        entry = default;
        return false;
    }

    private readonly record struct Entry(byte[] Value, long Expires);
}
