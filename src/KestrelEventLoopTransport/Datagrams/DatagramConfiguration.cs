using System.Net;
using KestrelEventLoopTransport.Options.Configuration;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace KestrelEventLoopTransport.Datagrams;

/// <summary>
/// Reads the options of datagram endpoints when they start, if there is a configuration: first from
/// <c>Kestrel:EventLoopTransport:Datagrams</c>, then from the sections in its <c>Endpoints</c> whose <c>Url</c> is the
/// endpoint's. A key that is not an option, or a value that does not have the option's type, stops the application.
/// </summary>
internal sealed class DatagramConfiguration(IConfiguration? configuration)
{
    private const string Endpoints
        = $"{EventLoopTransportConfiguration.Datagrams}:{EventLoopTransportConfiguration.EndpointsKey}";

    private readonly Lock _lock = new();
    private readonly HashSet<string> _used = [];

    /// <exception cref="OptionsValidationException">The configuration is not valid.</exception>
    internal void Apply(EndPoint endPoint, DatagramEndpointOptions options)
    {
        if (configuration is null)
        {
            return;
        }

        Read(
            configuration.GetSection(EventLoopTransportConfiguration.Datagrams),
            EventLoopTransportConfiguration.EndpointsKey,
            options);
        foreach (var section in configuration.GetSection(Endpoints).GetChildren())
        {
            if (EndPointOf(section).Equals(endPoint))
            {
                Read(section, EventLoopTransportConfiguration.Url, options);
                lock (_lock)
                {
                    _used.Add(section.Path);
                }
            }
        }
    }

    /// <summary>Warns of sections that no endpoint has used. The application has started.</summary>
    internal void WarnOfUnused(ILogger logger)
    {
        foreach (var section in configuration?.GetSection(Endpoints).GetChildren() ?? [])
        {
            lock (_lock)
            {
                if (!_used.Contains(section.Path))
                {
                    DatagramLog.EndpointNotBound(logger, section.Path);
                }
            }
        }
    }

    private static EndPoint EndPointOf(IConfigurationSection section)
    {
        var url = section[EventLoopTransportConfiguration.Url]
            ?? throw Invalid($"{section.Path} has no {EventLoopTransportConfiguration.Url}.");
        try
        {
            return DatagramUrl.Parse(url);
        }
        catch (FormatException exception)
        {
            throw Invalid($"{section.Path}: {exception.Message}");
        }
    }

    private static void Read(IConfigurationSection section, string excluded, DatagramEndpointOptions options)
        => new ObservedValues(section, excluded).Read(copy =>
        {
            // Passes over RemoteEndPoint, which has a type that cannot be bound.
            copy.Bind(options);
            if (copy[nameof(options.RemoteEndPoint)] is { } peer)
            {
                options.RemoteEndPoint = IPEndPoint.TryParse(peer, out var parsed) && parsed.Port != 0
                    ? parsed
                    : throw Invalid(
                        $"{section.Path}:{nameof(options.RemoteEndPoint)} is '{peer}'; it must be address:port.");
            }
        });

    private static OptionsValidationException Invalid(string message)
        => new(
            Microsoft.Extensions.Options.Options.DefaultName, typeof(DatagramEndpointOptions), [message]);
}
