namespace KestrelEventLoopTransport.Connections;

/// <summary>
/// Features that Kestrel and middleware have set on a connection: additions, and replacements of the connection's own.
/// A removed feature is a replacement by null.
/// </summary>
internal struct FeatureOverrides
{
    private List<KeyValuePair<Type, object?>>? _features;

    /// <summary>Number of changes so far.</summary>
    internal int Revision { get; private set; }

    /// <summary>All of them, in the order in which they were first set.</summary>
    internal readonly IEnumerable<KeyValuePair<Type, object?>> All => _features ?? [];

    internal readonly bool Contains(Type type) => IndexOf(type) >= 0;

    /// <summary>True when the feature was set or removed.</summary>
    internal readonly bool TryGet(Type type, out object? feature)
    {
        var index = IndexOf(type);
        feature = index >= 0 ? _features![index].Value : null;
        return index >= 0;
    }

    internal void Set(Type type, object? feature)
    {
        Revision++;
        _features ??= new(6);
        var index = IndexOf(type);
        if (index < 0)
        {
            _features.Add(new(type, feature));
        }
        else
        {
            _features[index] = new(type, feature);
        }
    }

    private readonly int IndexOf(Type type)
    {
        if (_features is not null)
        {
            for (var i = 0; i < _features.Count; i++)
            {
                if (_features[i].Key == type)
                {
                    return i;
                }
            }
        }

        return -1;
    }
}
