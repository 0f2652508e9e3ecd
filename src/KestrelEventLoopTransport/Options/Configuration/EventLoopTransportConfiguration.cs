using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace KestrelEventLoopTransport.Options.Configuration;

/// <summary>
/// Reads the options from the section <c>Kestrel:EventLoopTransport</c>, if there is a configuration. A key that is not
/// an option, or a value that does not have the option's type, stops the application.
/// </summary>
internal sealed class EventLoopTransportConfiguration(IConfiguration? configuration = null)
    : IConfigureOptions<EventLoopTransportOptions>
{
    /// <summary>The section of Kestrel's endpoints.</summary>
    internal const string KestrelEndpoints = "Kestrel:Endpoints";

    /// <summary>The section with the options of single endpoints.</summary>
    internal const string Endpoints = $"{Root}:{EndpointsKey}";

    internal const string Url = "Url";

    /// <summary>The section with the options of datagram endpoints.</summary>
    internal const string Datagrams = $"{Root}:{DatagramsKey}";

    internal const string EndpointsKey = "Endpoints";

    private const string Root = "Kestrel:EventLoopTransport";
    private const string DatagramsKey = "Datagrams";

    public void Configure(EventLoopTransportOptions options)
    {
        if (configuration is not null)
        {
            // Before the options are read: a change from here on makes the transport read them again.
            options.Source = new OptionsSource(configuration);
            Configure(options, configuration);
        }
    }

    private static void Configure(EventLoopTransportOptions options, IConfiguration configuration)
    {
        new ObservedValues(configuration.GetSection(Root), EndpointsKey, DatagramsKey)
            .Read(section => Bind(section, options));
        var endpoints = configuration.GetSection(Endpoints);
        if (!string.IsNullOrEmpty(endpoints.Value))
        {
            throw Invalid(
                $"{endpoints.Path} is '{endpoints.Value}'; it must be a section with one section per endpoint.");
        }

        foreach (var endpoint in endpoints.GetChildren())
        {
            ConfigureEndpoint(options, endpoint, configuration);
        }
    }

    /// <summary>
    /// Options of endpoints may stand at the top level of the section or in <c>EndpointDefaults</c>, which wins.
    /// </summary>
    private static void Bind(IConfigurationSection section, EventLoopTransportOptions options)
    {
        section.Bind(options);
        section.Bind(options.EndpointDefaults);
        section.GetSection(nameof(options.EndpointDefaults)).Bind(options.EndpointDefaults);
    }

    private static void ConfigureEndpoint(
        EventLoopTransportOptions options,
        IConfigurationSection section,
        IConfiguration configuration)
    {
        var ownUrl = section[Url];
        var kestrelKey = $"{KestrelEndpoints}:{section.Key}:{Url}";
        var url = ownUrl ?? configuration[kestrelKey]
            ?? throw Invalid(
                $"{section.Path} configures an endpoint that has no URL. Set {section.Path}:{Url} or {kestrelKey}.");

        // The values are copied, so that the options do not change after they have been validated.
        var values = new ObservedValues(section, Url);
        try
        {
            options.ConfigureEndpoint(
                url,
                section.Path,
                ownUrl is null ? section.Key : null,
                endpoint => values.Read(copy => copy.Bind(endpoint)));
        }
        catch (FormatException exception)
        {
            throw Invalid($"{section.Path}: {exception.Message}");
        }
    }

    private static OptionsValidationException Invalid(params IEnumerable<string> messages)
        => new(Microsoft.Extensions.Options.Options.DefaultName, typeof(EventLoopTransportOptions), messages);
}
