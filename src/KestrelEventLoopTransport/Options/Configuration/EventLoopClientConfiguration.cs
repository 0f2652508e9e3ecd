using System.Net;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace KestrelEventLoopTransport.Options.Configuration;

/// <summary>
/// Reads the options of clients, if there is a configuration: from <c>Kestrel:EventLoopClient</c>, and for a client
/// with a name from <c>Kestrel:EventLoopClients:{name}</c>. A key that is not an option, or a value that does not have
/// the option's type, is an error.
/// </summary>
internal sealed class EventLoopClientConfiguration(IConfiguration? configuration = null)
    : IConfigureNamedOptions<EventLoopClientOptions>
{
    private const string Unnamed = "Kestrel:EventLoopClient";
    private const string Named = "Kestrel:EventLoopClients";

    public void Configure(EventLoopClientOptions options)
        => Configure(Microsoft.Extensions.Options.Options.DefaultName, options);

    public void Configure(string? name, EventLoopClientOptions options)
    {
        if (configuration is null)
        {
            return;
        }

        var path = string.IsNullOrEmpty(name) ? Unnamed : $"{Named}:{name}";
        var section = configuration.GetSection(path);
        try
        {
            // Passes over LocalEndPoint, which has a type that cannot be bound.
            section.Bind(options, static binder => binder.ErrorOnUnknownConfiguration = true);
        }
        catch (InvalidOperationException exception)
        {
            throw new OptionsValidationException(
                name ?? "", typeof(EventLoopClientOptions), [$"{path}: {exception.Message}"]);
        }

        if (section[nameof(options.LocalEndPoint)] is { } local)
        {
            options.LocalEndPoint = IPEndPoint.TryParse(local, out var endPoint)
                ? endPoint
                : throw new OptionsValidationException(
                    name ?? "",
                    typeof(EventLoopClientOptions),
                    [$"{path}:{nameof(options.LocalEndPoint)} is '{local}'; it must be an address, or address:port."]);
        }
    }
}
