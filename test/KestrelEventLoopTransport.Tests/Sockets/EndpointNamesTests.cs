using System.Net;
using KestrelEventLoopTransport.Options.Configuration;
using Microsoft.Extensions.Configuration;

namespace KestrelEventLoopTransport.Tests.Sockets;

/// <summary>Which name a bind is for, when Kestrel binds by a configuration that is not the latest.</summary>
[Trait("Contract", "options")]
[FailsOnStock("Options of ours.")]
public sealed class EndPointNamesTests
{
    private readonly IPEndPoint _a = new(IPAddress.Loopback, 1);
    private readonly IPEndPoint _b = new(IPAddress.Loopback, 2);
    private readonly IPEndPoint _c = new(IPAddress.Loopback, 3);

    [Fact]
    public void An_endpoint_that_has_moved_on_meanwhile_is_known_by_the_configuration_before()
    {
        var configuration = new ConfigurationManager();
        using var names = new EndpointNames(configuration);
        Reload(configuration, ("Api", _a));
        Assert.Equal("Api", names.Take(_a));

        Reload(configuration, ("Api", _b));
        names.Return("Api", _a);
        Reload(configuration, ("Api", _c));
        Assert.Equal("Api", names.Take(_b));

        names.Return("Api", _b);
        Assert.Equal("Api", names.Take(_c));

        // What has been overtaken is forgotten.
        Assert.Null(names.Take(_a));
        Assert.Null(names.Take(_b));
    }

    [Fact]
    public void A_name_that_still_listens_elsewhere_is_not_the_one_that_is_bound()
    {
        var configuration = new ConfigurationManager();
        using var names = new EndpointNames(configuration);
        Reload(configuration, ("Api", _a), ("Other", _c));
        Assert.Equal("Api", names.Take(_a));
        Assert.Equal("Other", names.Take(_c));

        // Kestrel has read this, and waits for connections of Api.
        Reload(configuration, ("Api", _b), ("Other", _c));
        Reload(configuration, ("Api", _a), ("Other", _b));
        names.Return("Api", _a);
        Assert.Equal("Api", names.Take(_b));

        names.Return("Api", _b);
        names.Return("Other", _c);
        Assert.Equal("Api", names.Take(_a));
        Assert.Equal("Other", names.Take(_b));
    }

    [Fact]
    public void An_endpoint_of_nobody_has_no_name_whatever_the_others_have_for_URLs()
    {
        var configuration = new ConfigurationManager();
        configuration["Kestrel:Endpoints:Bad:Url"] = "nonsense";
        configuration["Kestrel:Endpoints:None:Protocols"] = "Http1";
        configuration["Kestrel:Endpoints:Api:Url"] = "http://127.0.0.1:1";
        using var names = new EndpointNames(configuration);

        Assert.Null(names.Take(_b));
        Assert.Null(names.Take(new Microsoft.AspNetCore.Connections.FileHandleEndPoint(
            3, Microsoft.AspNetCore.Connections.FileHandleType.Auto)));
        Assert.Equal("Api", names.Take(_a));
        Assert.Equal("Api", names.Take(_a));
    }

    [Fact]
    public void Reloads_without_end_are_not_remembered_without_end()
    {
        var configuration = new ConfigurationManager();
        using var names = new EndpointNames(configuration);

        for (var port = 1; port <= 1000; port++)
        {
            Reload(configuration, ("Api", new IPEndPoint(IPAddress.Loopback, port)));
        }

        Assert.Null(names.Take(new IPEndPoint(IPAddress.Loopback, 900)));
        Assert.Equal("Api", names.Take(new IPEndPoint(IPAddress.Loopback, 999)));
    }

    private static void Reload(
        ConfigurationManager configuration, params ReadOnlySpan<(string Name, EndPoint EndPoint)> endPoints)
    {
        foreach (var (name, endPoint) in endPoints)
        {
            configuration[$"Kestrel:Endpoints:{name}:Url"] = $"http://{endPoint}";
        }

        ((IConfigurationRoot)configuration).Reload();
    }
}
