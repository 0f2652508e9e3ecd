using System.Diagnostics.Metrics;
using Microsoft.Extensions.DependencyInjection;

namespace KestrelEventLoopTransport.Tests.Metrics;

/// <summary>Reads the tags of the transport's instruments.</summary>
internal sealed class TagReader : IDisposable
{
    private readonly MeterListener _listener = new();
    private readonly List<(string Name, string Tags)> _found = [];

    public TagReader(IServiceProvider services)
    {
        var factory = services.GetRequiredService<IMeterFactory>();
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Name == "KestrelEventLoopTransport" && instrument.Meter.Scope == factory)
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _listener.SetMeasurementEventCallback<long>((instrument, _, tags, _) => Add(instrument, tags));
        _listener.Start();
    }

    /// <summary>The tags of each measurement of instruments with a prefix.</summary>
    public List<string> Read(string prefix)
    {
        _found.Clear();
        _listener.RecordObservableInstruments();
        return [.. _found.Where(found => found.Name.StartsWith(prefix, StringComparison.Ordinal)).Select(f => f.Tags)];
    }

    public void Dispose() => _listener.Dispose();

    private void Add(Instrument instrument, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        => _found.Add((instrument.Name, string.Join(' ', tags.ToArray().Select(tag => $"{tag.Key}={tag.Value}"))));
}
