using System.ComponentModel.DataAnnotations;

namespace KestrelEventLoopTransport.IntegrationTests.Server;

/// <summary>The body of a request to the <see cref="GreetingController"/>.</summary>
public sealed class Greeting
{
    [Required]
    public string? Name { get; set; }
}
